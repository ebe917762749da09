import { useWebhook } from '../../api/queries';
import type { DeliveryFilter } from '../../api/types';
import { duration } from '../../ui/format';
import { Facts } from '../../ui/page';
import { Time } from '../../ui/time';
import { ERROR_WORDS, STATUS_WORDS } from '../../ui/words';

/** A filter in words, so that one sees what an action is about to act on. */
export function FilterWords({ filter }: { filter: DeliveryFilter }) {
  const facts: [string, React.ReactNode][] = [];
  const { status, answer, min_attempts, min_duration_ms } = filter;
  if (status) facts.push(['Status', status.map(one => STATUS_WORDS[one]).join(', ')]);
  if (filter.webhook_id) facts.push(['Webhook', <WebhookName id={filter.webhook_id} />]);
  if (filter.event_type) facts.push(['Event type', filter.event_type]);
  if (filter.event_id) facts.push(['Event', <span className="mono">{filter.event_id}</span>]);
  if (filter.tenant) facts.push(['Tenant', filter.tenant]);
  if (answer) facts.push(['Last answer', answerWords(answer)]);
  if (min_attempts) facts.push(['Attempts', `${min_attempts} or more`]);
  if (min_duration_ms) facts.push(['Last attempt took', `${duration(min_duration_ms)} or longer`]);
  if (filter.since) facts.push(['Accepted from', <Time at={filter.since} as="full" />]);
  if (filter.until) facts.push(['Until', <Time at={filter.until} as="full" />]);
  return <Facts of={facts} />;
}

function WebhookName({ id }: { id: string }) {
  const url = useWebhook(id).data?.webhook_url;
  return url === undefined ? (
    <span className="mono break">{id}</span>
  ) : (
    <span className="break">{url.replace(/^https:\/\//, '')}</span>
  );
}

export function answerWords(answer: string): string {
  if (answer === 'error') return 'No answer at all';
  return ERROR_WORDS[answer] ?? answer;
}
