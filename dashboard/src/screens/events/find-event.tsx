import { useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import { useLocation } from 'wouter';
import { api } from '../../api/client';
import { asProblem } from '../../api/problem';
import { useTenant } from '../../api/queries';
import type { EventDetail } from '../../api/types';
import { useHref } from '../../state/url';
import { Button } from '../../ui/button';
import { ErrorState, State } from '../../ui/list-states';

/** Opens the event of exactly this id in place of the list, or says that there is none. */
export function FindEvent({ id, onClear }: { id: string; onClear(): void }) {
  const [, navigate] = useLocation();
  const href = useHref();
  const tenant = useTenant();
  const other = otherThing(id);
  const { data, error, refetch } = useQuery({
    queryKey: ['find-event', id, tenant],
    queryFn: ({ signal }) =>
      api.get<EventDetail>(`/v1/events/${encodeURIComponent(id)}`, { tenant }, signal),
    enabled: other === null,
    retry: false,
  });
  const to = other ?? (data === undefined ? null : `/events/${data.uid}`);
  useEffect(() => {
    // In place of this address: the way back leads to the list, not here and at once there again.
    if (to !== null) navigate(href(to), { replace: true });
  }, [to, navigate, href]);

  if (error === null) {
    return (
      <p className="muted" role="status">
        Looking for <span className="mono break">{id}</span> …
      </p>
    );
  }
  const problem = asProblem(error);
  if (problem.status !== 404 && problem.status !== 422 && problem.status !== 400) {
    return <ErrorState problem={problem} onRetry={() => void refetch()} />;
  }
  return (
    <State
      icon="search"
      title="No event has this id"
      action={<Button onClick={onClear}>Back to the list</Button>}
    >
      <span className="mono break">{id}</span>{' '}
      {id.startsWith('evt_')
        ? 'was never accepted here, or it is past the time for which events are kept.'
        : `is not an id in the tenant ${tenant ?? 'default'}. Ids that publishers choose belong to a tenant: choose it in the header.`}
    </State>
  );
}

function otherThing(id: string): string | null {
  if (/^wh_\w{20,}$/.test(id)) return `/webhooks/${id}`;
  if (/^dlv_\w{20,}$/.test(id)) return `/deliveries?open=${id}`;
  return null;
}
