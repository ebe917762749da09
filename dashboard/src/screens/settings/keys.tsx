import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import { useSession } from '../../api/session';
import type { Key } from '../../api/types';
import { useUrlState } from '../../state/url';
import { useShortcut } from '../../state/keys';
import { Button } from '../../ui/button';
import { FilterBar, FilterSelect, SearchField } from '../../ui/filters';
import { count, plural } from '../../ui/format';
import { Id } from '../../ui/id';
import { State } from '../../ui/list-states';
import { Panel } from '../../ui/page';
import { Pill } from '../../ui/status';
import { DataTable, type Column } from '../../ui/table';
import { Time } from '../../ui/time';
import { CreateKey } from './create-key';
import { RevokeKey } from './revoke-key';
import { ROLES, ROLE_IDS } from './roles';
import { NotForRole } from './not-for-role';

const QUERY_KEY = ['keys'];
/** Every key is in one answer, and tenants may be many: so many rows at once. */
const ROWS = 100;

export function Keys() {
  const { may } = useSession();
  if (may('keys')) return <KeyList />;
  return (
    <NotForRole title="Keys are for admins">
      A key of the role admin lists, makes and revokes keys, here or with{' '}
      <code>postrider keys</code>.
    </NotForRole>
  );
}

function KeyList() {
  const { session } = useSession();
  const client = useQueryClient();
  const url = useUrlState();
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<Key | null>(null);
  const [shown, setShown] = useState(ROWS);
  const query = useQuery({
    queryKey: QUERY_KEY,
    queryFn: ({ signal }) => api.get<{ data: Key[] }>('/v1/keys', undefined, signal),
  });
  useShortcut('n', () => setCreating(true));
  const keys = query.data?.data;
  const text = url.get('q') ?? '';
  const role = url.get('role') ?? '';
  const clear = () => url.set({ q: null, role: null });
  const own = session?.key_id ?? null;
  const found = keys && matching(keys, text, role);
  const refresh = () => client.invalidateQueries({ queryKey: QUERY_KEY });

  return (
    <>
      <div className="row wrap">
        <FilterBar active={text !== '' || role !== ''} onClear={clear}>
          <SearchField
            main
            label="Search keys"
            placeholder="Name, tenant or id"
            value={text}
            onChange={q => url.set({ q })}
          />
          <FilterSelect
            label="Role"
            value={role}
            onChange={next => url.set({ role: next })}
            options={ROLE_IDS.map(id => ({ value: id, label: ROLES[id].label }))}
          />
        </FilterBar>
        <div className="end">
          <Button look="primary" icon="plus" onClick={() => setCreating(true)}>
            New key
          </Button>
        </div>
      </div>
      <Panel
        title="API keys"
        about={keys && `${plural(keys.length, 'key')}; of each only a hash is kept`}
        flush
      >
        <DataTable
          what="keys"
          columns={columns(own, setRevoking)}
          rows={found?.slice(0, shown)}
          rowKey={key => key.id}
          error={query.error}
          onRetry={() => void query.refetch()}
          filtered={text !== '' || role !== ''}
          onClear={clear}
          skeletonRows={4}
          empty={
            <State icon="key" title="There are no keys">
              The first one comes from the setting <code>admin_key</code>. Make one for each
              program, so that one can be revoked without the others.
            </State>
          }
        />
        {found && found.length > shown && (
          <div className="row settings-more">
            <span className="muted small grow">
              {count(shown)} of {plural(found.length, 'key')}; the search looks at all
            </span>
            <Button small onClick={() => setShown(shown + ROWS)}>
              Show more
            </Button>
          </div>
        )}
      </Panel>
      {creating && <CreateKey onMade={() => void refresh()} onClose={() => setCreating(false)} />}
      {revoking && (
        <RevokeKey
          target={revoking}
          own={revoking.id === own}
          onlyAdmin={
            revoking.role === 'admin' && keys?.filter(key => key.role === 'admin').length === 1
          }
          onDone={refresh}
          onClose={() => setRevoking(null)}
        />
      )}
    </>
  );
}

function columns(own: string | null, revoke: (key: Key) => void): Column<Key>[] {
  return [
    {
      id: 'name',
      head: 'Name',
      primary: true,
      cell: key => (
        <span className="row wrap settings-key">
          <b className="break settings-key-name">{key.name}</b>
          {key.id === own && (
            <Pill
              tone="wait"
              icon="user"
              word="this session"
              tip="This session was made with it."
            />
          )}
        </span>
      ),
    },
    {
      id: 'role',
      head: 'Role',
      cell: ({ role }) => (
        <Pill
          tone={ROLES[role].tone}
          icon={ROLES[role].icon}
          word={ROLES[role].label}
          tip={`A key that ${ROLES[role].may}.`}
        />
      ),
    },
    {
      id: 'tenant',
      head: 'Tenant',
      cell: key =>
        key.tenant === null ? (
          <span className="faint">all</span>
        ) : (
          <span className="settings-tenant">{key.tenant}</span>
        ),
    },
    { id: 'id', head: 'Id', cell: key => <Id id={key.id} />, from: 'l' },
    { id: 'created', head: 'Created', cell: key => <Time at={key.created_at} /> },
    {
      id: 'revoke',
      head: '',
      cell: key => (
        <Button
          look="quiet"
          small
          icon="trash"
          aria-label={`Revoke… ${key.name}`}
          onClick={() => revoke(key)}
        >
          Revoke…
        </Button>
      ),
    },
  ];
}

/** Newest first: what one has just made or looks for is rarely the oldest. */
function matching(keys: Key[], text: string, role: string): Key[] {
  const wanted = text.toLowerCase();
  return keys
    .filter(key => role === '' || key.role === role)
    .filter(key => [key.name, key.tenant ?? '', key.id].join('\n').toLowerCase().includes(wanted))
    .toSorted((a, b) => Date.parse(b.created_at) - Date.parse(a.created_at));
}
