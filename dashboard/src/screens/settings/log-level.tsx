import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { api } from '../../api/client';
import { asProblem } from '../../api/problem';
import type { LogLevel as Level } from '../../api/types';
import { Button } from '../../ui/button';
import { SelectField, TextField } from '../../ui/form';
import { duration } from '../../ui/format';
import { say } from '../../ui/toast';

const QUERY_KEY = ['log'];
const FOR = [
  { ms: 600_000, label: '10 minutes' },
  { ms: 3_600_000, label: '1 hour' },
  { ms: 86_400_000, label: '1 day' },
];

/** The one setting that is changed while it runs, of the process that answers. */
export function LogLevel() {
  const client = useQueryClient();
  const { data } = useQuery({
    queryKey: QUERY_KEY,
    queryFn: ({ signal }) => api.get<Level>('/v1/log', undefined, signal),
    refetchInterval: 30_000,
  });
  const [level, setLevel] = useState<string | null>(null);
  const [forMs, setForMs] = useState('600000');
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState<string>();
  if (data === undefined) return null;
  const changed = data.level !== data.configured;

  const put = async (next: string, ms: number | null) => {
    setBusy(true);
    setWrong(undefined);
    try {
      const now = await api.put<Level>('/v1/log', { level: next, for_ms: ms });
      client.setQueryData(QUERY_KEY, now);
      setLevel(null);
      say({ text: `It logs ${now.level} now.` });
    } catch (error) {
      setWrong(asProblem(error).detail);
    } finally {
      setBusy(false);
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void put((level ?? data.level).trim(), forMs === '' ? null : Number(forMs));
  };
  return (
    <form className="settings-log" onSubmit={submit}>
      <TextField
        label="Log now"
        spellCheck={false}
        value={level ?? data.level}
        onChange={event => setLevel(event.target.value)}
        error={wrong}
        hint={
          changed
            ? `Started with ${data.configured}${data.for_ms === null ? '' : `, which it goes back to in ${duration(data.for_ms)}`}.`
            : 'Takes effect at once, without a restart, in the process that answers. For example info,worker=debug.'
        }
      />
      <SelectField label="For" value={forMs} onChange={event => setForMs(event.target.value)}>
        {FOR.map(({ ms, label }) => (
          <option key={ms} value={ms}>
            {label}
          </option>
        ))}
        <option value="">until it ends</option>
      </SelectField>
      <div className="row settings-log-actions">
        <Button type="submit" busy={busy} disabled={(level ?? data.level).trim() === ''}>
          Log this
        </Button>
        {changed && (
          <Button look="quiet" disabled={busy} onClick={() => void put(data.configured, null)}>
            Back to {data.configured}
          </Button>
        )}
      </div>
    </form>
  );
}
