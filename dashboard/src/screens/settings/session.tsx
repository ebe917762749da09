import { useState } from 'react';
import { useSession } from '../../api/session';
import { Button } from '../../ui/button';
import { Facts, Panel } from '../../ui/page';
import { Pill } from '../../ui/status';
import { Time } from '../../ui/time';
import { say } from '../../ui/toast';
import { ROLES } from './roles';

/** Who one is here, what one may do, and until when. */
export function SessionSection() {
  const { session, logout } = useSession();
  const [busy, setBusy] = useState(false);
  if (session === null) return null;
  const role = ROLES[session.role];
  const leave = async () => {
    setBusy(true);
    try {
      await logout();
    } catch {
      say({ tone: 'bad', text: 'Logging out did not reach the server.' });
      setBusy(false);
    }
  };
  return (
    <Panel
      title="This session"
      actions={
        <Button icon="out" busy={busy} onClick={() => void leave()}>
          Log out
        </Button>
      }
    >
      <div className="stack">
        <Facts
          of={[
            ['Key', <b key="key">{session.key_name}</b>],
            ['Role', <Pill key="role" tone={role.tone} icon={role.icon} word={role.label} />],
            ['Tenant', session.tenant ?? 'all'],
            [
              'Ends',
              session.expires_at === null ? (
                'with its key'
              ) : (
                <span key="ends">
                  <Time at={session.expires_at} />, <Time at={session.expires_at} as="full" />
                </span>
              ),
            ],
          ]}
        />
        <p className="muted">
          A key that {role.may}. The browser holds a cookie that scripts cannot read, and no key; it
          ends when you log out, when it expires, or when the key is revoked.
        </p>
      </div>
    </Panel>
  );
}
