import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { api } from '../../api/client';
import { asProblem } from '../../api/problem';
import { isOver } from '../../api/queries';
import type { DeliveryDetail, Webhook } from '../../api/types';
import { Banner } from '../../ui/banner';
import { Id } from '../../ui/id';
import { Icon } from '../../ui/icons';
import { LinkButton } from '../../ui/link';
import { Panel } from '../../ui/page';
import { DeliveryStatusPill } from '../../ui/status';
import { Time } from '../../ui/time';
import { ENDED_BY } from '../../ui/words';
import { AttemptList } from '../deliveries/attempts';
import { hostOf } from '../../ui/url-parts';

/** Somebody waits for the answer: it is asked for often, until the delivery has ended. */
const ASK_MS = 700;
/** The delivery is made a moment after the event was accepted. */
const MADE_WITHIN = 20;

/** A test event on its way: what came of it, as soon as it is known. */
export function Watch({ id, webhook }: { id: string; webhook: Webhook }) {
  const { data, error, failureCount } = useQuery({
    queryKey: ['watched', id],
    queryFn: ({ signal }) => api.get<DeliveryDetail>(`/v1/deliveries/${id}`, undefined, signal),
    retry: (failures, problem) => asProblem(problem).status === 404 && failures < MADE_WITHIN,
    retryDelay: ASK_MS,
    refetchInterval: query => {
      const known = query.state.data;
      if (known === undefined || isOver(known)) return false;
      return known.attempt_count === 0 ? ASK_MS : 2 * ASK_MS;
    },
  });
  const host = hostOf(webhook.webhook_url);
  const waits = data !== undefined && !isOver(data);
  return (
    <Panel
      title="What came of it"
      actions={
        data && (
          <LinkButton small look="quiet" to={`/events/${encodeURIComponent(data.event_id)}`}>
            Open the event
          </LinkButton>
        )
      }
    >
      <div className="stack">
        <div role="status" className="webhook-outcome">
          {data === undefined && !error && (
            <Waiting>
              {failureCount > 2 ? 'Accepted; its delivery is being made …' : 'Accepted …'}
            </Waiting>
          )}
          {data && (
            <span className="row wrap">
              <DeliveryStatusPill delivery={data} />
              <span>{outcome(data, host)}</span>
              {data.next_attempt_at !== null && data.attempt_count > 0 && (
                <span className="muted">
                  Next attempt <Time at={data.next_attempt_at} />
                </span>
              )}
            </span>
          )}
          {waits && data.attempt_count === 0 && data.waiting_for !== 'paused' && (
            <Waiting>Waiting for {host} to answer …</Waiting>
          )}
        </div>
        {error && (
          <Banner tone="bad">
            {asProblem(error).status === 404
              ? 'The delivery is not there: it was not made yet, or its record is gone.'
              : asProblem(error).detail}
          </Banner>
        )}
        {data && data.attempts.length > 0 && <AttemptList attempts={data.attempts} />}
        <p className="muted small">
          Delivery <Id id={id} />
        </p>
      </div>
    </Panel>
  );
}

function outcome(delivery: DeliveryDetail, host: string): string {
  if (delivery.waiting_for === 'paused') return 'It waits until the webhook is resumed.';
  if (delivery.ended_by === 'delivered') return `${host} took it.`;
  if (delivery.ended_by !== null) return ENDED_BY[delivery.ended_by];
  if (delivery.attempt_count === 0) return '';
  return `${host} did not take it; it is tried again.`;
}

function Waiting({ children }: { children: ReactNode }) {
  return (
    <span className="row muted">
      <span className="spinner" aria-hidden="true" />
      <Icon name="delivery" />
      <span>{children}</span>
    </span>
  );
}
