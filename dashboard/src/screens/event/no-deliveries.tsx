import type { ReactNode } from 'react';
import { useSession } from '../../api/session';
import type { NoDeliveriesBecause } from '../../api/types';
import { LinkButton } from '../../ui/link';
import { State } from '../../ui/list-states';
import type { IconName } from '../../ui/icons';
import { Receivers } from '../events/receivers';
import type { LoadedEvent } from './use-event';

/** Why nobody got it, and what can be done. */
export function NoDeliveries({ event }: { event: LoadedEvent }) {
  const { may } = useSession();
  const why = event.no_deliveries_because ?? 'fanning_out';
  const { icon, title, text } = REASONS[why](event);
  const offers = why !== 'fanning_out';
  return (
    <div className="stack">
      <State icon={icon} title={title} action={<Offers why={why} event={event} />}>
        {text}
      </State>
      {offers && may('look') && (
        <section className="event-now" aria-label="If it were published now">
          <h3>If it were published now</h3>
          <Receivers type={event.type} tenant={event.tenant} />
        </section>
      )}
    </div>
  );
}

const REASONS: Record<
  NoDeliveriesBecause,
  (event: LoadedEvent) => { icon: IconName; title: string; text: ReactNode }
> = {
  fanning_out: () => ({
    icon: 'clock',
    title: 'Its webhooks are being looked for',
    text: 'It is accepted. In a moment its deliveries show here by themselves.',
  }),
  no_webhooks: ({ tenant }) => ({
    icon: 'webhook',
    title: 'There was nobody to deliver it to',
    text: (
      <>
        The tenant <b>{tenant}</b> had no webhook when it was accepted. A webhook gets what is
        published after it was registered: register one, then publish a copy.
      </>
    ),
  }),
  none_matched: ({ type }) => ({
    icon: 'filter',
    title: 'No webhook wanted it',
    text: (
      <>
        None of the webhooks has <code>{type}</code> among its event types. Add it to one, then
        publish a copy.
      </>
    ),
  }),
  all_disabled: () => ({
    icon: 'stop',
    title: 'All webhooks that want it were disabled',
    text: 'No delivery is made for a disabled webhook. Enable it, then publish a copy.',
  }),
  changed_since: () => ({
    icon: 'webhook',
    title: 'The webhooks that want it came later',
    text: 'They were registered or changed after it was accepted, and get what is published from then on. Publish a copy for them.',
  }),
};

function Offers({ why, event }: { why: NoDeliveriesBecause; event: LoadedEvent }) {
  const { may } = useSession();
  if (why === 'fanning_out') return null;
  return (
    <div className="row wrap">
      {why === 'no_webhooks' && may('manage') && (
        <LinkButton look="primary" to="/webhooks?new=1">
          Register a webhook
        </LinkButton>
      )}
      {(why === 'none_matched' || why === 'all_disabled') && (
        <LinkButton
          look="primary"
          to={`/webhooks?tenant=${event.tenant}${why === 'all_disabled' ? '&status=disabled' : ''}`}
        >
          {why === 'all_disabled' ? 'Disabled webhooks' : 'Webhooks of this tenant'}
        </LinkButton>
      )}
      {may('publish') && (
        <LinkButton to={`/events?publish=${event.uid}`}>Publish a copy…</LinkButton>
      )}
    </div>
  );
}
