import type { ReactNode } from 'react';
import { useSession } from '../../api/session';
import { State } from '../../ui/list-states';

/** Says in words what a key of this role does not get to see. */
export function NotForRole({ title, children }: { title: string; children: ReactNode }) {
  const { session } = useSession();
  return (
    <State icon="lock" title={title}>
      {children}
      {session && <> The key of this session has the role {session.role}.</>}
    </State>
  );
}
