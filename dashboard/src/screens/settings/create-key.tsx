import { useState, type FormEvent } from 'react';
import { api } from '../../api/client';
import { asProblem, type Problem } from '../../api/problem';
import { useTenant } from '../../api/queries';
import type { NewKey, Role } from '../../api/types';
import { Banner } from '../../ui/banner';
import { Button } from '../../ui/button';
import { Dialog } from '../../ui/dialog';
import { TextField, fieldError, formError } from '../../ui/form';
import { Icon } from '../../ui/icons';
import { NewKeyShown } from './new-key';
import { ROLES, ROLE_IDS } from './roles';

/** Makes a key and shows it, which is the only time that it is seen. */
export function CreateKey({ onMade, onClose }: { onMade(): void; onClose(): void }) {
  const tenant = useTenant();
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>(tenant === undefined ? 'publisher' : 'tenant');
  const [of, setOf] = useState(tenant ?? '');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [made, setMade] = useState<NewKey | null>(null);
  if (made !== null) return <NewKeyShown made={made} onClose={onClose} />;

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const wanted = { name: name.trim(), role };
      setMade(
        await api.post<NewKey>('/v1/keys', role === 'tenant' ? { ...wanted, tenant: of } : wanted),
      );
      onMade();
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  const rest = formError(problem, ['/name', '/role', '/tenant']);
  return (
    <Dialog title="New key" onClose={onClose}>
      <form className="stack" onSubmit={event => void submit(event)}>
        {rest !== null && <Banner tone="bad">{rest}</Banner>}
        <TextField
          label="Name"
          autoFocus
          required
          maxLength={128}
          placeholder="shop backend"
          hint="Says later which program has it. One key for each program, so that one can be revoked without the others."
          value={name}
          error={fieldError(problem, '/name')}
          onChange={event => setName(event.target.value)}
        />
        <fieldset className="settings-roles">
          <legend>Role</legend>
          {ROLE_IDS.map(id => (
            <label key={id}>
              <input
                type="radio"
                name="role"
                value={id}
                checked={role === id}
                onChange={() => setRole(id)}
              />
              <Icon name={ROLES[id].icon} />
              <span>
                <b>{ROLES[id].label}</b>
                <span className="muted small">{ROLES[id].may}</span>
              </span>
            </label>
          ))}
          {fieldError(problem, '/role') && (
            <p className="field-error">{fieldError(problem, '/role')}</p>
          )}
        </fieldset>
        {role === 'tenant' && (
          <TextField
            label="Tenant"
            required
            placeholder="acme"
            maxLength={64}
            pattern="[A-Za-z0-9_.:\-]{1,64}"
            title="1 to 64 of A–Z, a–z, 0–9 and _ . : -"
            hint="It need not be known yet: a tenant is there once something is its."
            spellCheck={false}
            value={of}
            error={fieldError(problem, '/tenant')}
            onChange={event => setOf(event.target.value)}
          />
        )}
        <div className="dialog-actions">
          <Button onClick={onClose}>Not now</Button>
          <Button type="submit" look="primary" busy={busy}>
            Create key
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
