import { api } from '../../api/client';
import { asProblem } from '../../api/problem';
import type { Key } from '../../api/types';
import { Banner } from '../../ui/banner';
import { Confirm } from '../../ui/dialog';
import { Facts } from '../../ui/page';
import { Time } from '../../ui/time';
import { say } from '../../ui/toast';
import { ROLES } from './roles';

interface Props {
  target: Key;
  /** This session was made with it, and ends with it. */
  own: boolean;
  onlyAdmin: boolean;
  onDone(): Promise<void>;
  onClose(): void;
}

export function RevokeKey({ target, own, onlyAdmin, onDone, onClose }: Props) {
  const revoke = async () => {
    try {
      await api.delete(`/v1/keys/${target.id}`);
      say({ text: `The key ${target.name} is revoked.` });
    } catch (error) {
      // Somebody else was quicker; it is gone, which is what was asked for.
      if (asProblem(error).status !== 404) throw error;
      say({ tone: 'info', text: `The key ${target.name} was revoked already.` });
    }
    // Awaited: the row and its button are gone then, and the focus does not go back to them.
    await onDone();
  };
  return (
    <Confirm
      title="Revoke key"
      action={target.name.length > 28 ? 'Revoke this key' : `Revoke “${target.name}”`}
      danger
      onConfirm={revoke}
      onClose={onClose}
    >
      <p className="break">
        Whoever uses <b>{target.name}</b> gets <code>401</code> within a second. It cannot be
        undone; another key can be made.
      </p>
      <Facts
        of={[
          ['Role', ROLES[target.role].label],
          ['Tenant', target.tenant ?? 'all'],
          ['Created', <Time key="created" at={target.created_at} />],
        ]}
      />
      {own && <Banner tone="warn">This session was made with it: you will be logged out.</Banner>}
      {onlyAdmin && (
        <Banner tone="warn">
          It is the only admin key. Without one nobody makes or revokes keys until the server is
          started again, which then makes one.
        </Banner>
      )}
      {target.role === 'admin' && target.name === 'POSTRIDER_ADMIN_KEY' && (
        <Banner tone="warn">
          The setting <code>admin_key</code> makes it again at the next start, unless it is changed
          there.
        </Banner>
      )}
    </Confirm>
  );
}
