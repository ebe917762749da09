import './receivers.css';
import { useQuery } from '@tanstack/react-query';
import { api } from '../../api/client';
import { asProblem } from '../../api/problem';
import type { Preview } from '../../api/types';
import { plural } from '../../ui/format';
import { Icon } from '../../ui/icons';
import { Url } from '../../ui/id';
import { Skeleton } from '../../ui/list-states';

/** Who would receive an event of this type now, and why the others would not. */
export function Receivers({ type, tenant }: { type: string; tenant: string }) {
  const { data, error, isFetching } = useQuery({
    queryKey: ['preview', type, tenant],
    queryFn: ({ signal }) =>
      api.post<Preview>('/v1/events/preview', tenant === '' ? { type } : { type, tenant }, {
        signal,
      }),
    staleTime: 10_000,
    retry: false,
    placeholderData: before => before,
  });
  if (error) return <p className="muted small">Not known now: {asProblem(error).detail}</p>;
  if (data === undefined) return <Skeleton width="60%" />;
  const receives = data.data.filter(one => one.receives);
  const others = data.data.filter(one => !one.receives);
  return (
    <div className="stack tight" aria-busy={isFetching}>
      <p>
        {data.matching === 0 ? (
          <>
            <b>No webhook</b> would receive it.
          </>
        ) : (
          <>
            <b>{plural(data.matching, 'webhook')}</b> would receive it.
          </>
        )}
      </p>
      {data.data.length > 0 && (
        <ul className="receivers">
          {[...receives, ...others].map(one => (
            <li key={one.webhook_id} className={one.receives ? undefined : 'not'}>
              <Icon name={one.receives ? 'check' : 'cross'} size={13} />
              <Url url={one.webhook_url} to={`/webhooks/${one.webhook_id}`} copy={false} />
              <span className="end small muted nowrap">{because(one)}</span>
            </li>
          ))}
        </ul>
      )}
      {data.more && <p className="muted small">There are more webhooks than are listed here.</p>}
    </div>
  );
}

function because({ receives, because: why, status }: Preview['data'][number]): string {
  if (receives) return status === 'paused' ? 'receives it when resumed' : 'receives it';
  if (why === 'disabled') return 'is disabled';
  return 'does not want this type';
}
