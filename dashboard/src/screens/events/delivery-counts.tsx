import type { DeliveryCounts } from '../../api/types';
import { count } from '../../ui/format';
import { MiniBar } from '../../ui/bars';
import { Icon, type IconName } from '../../ui/icons';

const PARTS: {
  id: 'delivered' | 'retrying' | 'failed' | 'pending' | 'cancelled';
  word: string;
  icon: IconName;
  color: string;
}[] = [
  { id: 'delivered', word: 'delivered', icon: 'check', color: '--chart-ok' },
  { id: 'retrying', word: 'retrying', icon: 'retry', color: '--chart-client' },
  { id: 'failed', word: 'failed', icon: 'cross', color: '--chart-server' },
  { id: 'pending', word: 'pending', icon: 'clock', color: '--chart-redirect' },
  { id: 'cancelled', word: 'cancelled', icon: 'stop', color: '--chart-blocked' },
];

/** How many of an event's deliveries are where: ✓ 3 ↻ 1, in words for who does not see it. */
export function DeliveryCountsCell({ counts }: { counts: DeliveryCounts | null | undefined }) {
  if (!counts) return <span className="faint">–</span>;
  const shown = PARTS.filter(({ id }) => counts[id] > 0);
  if (shown.length === 0) return <span className="faint">None</span>;
  const more = counts.capped ? '+' : '';
  const words = shown.map(({ id, word }) => `${count(counts[id])}${more} ${word}`).join(', ');
  return (
    <span className="event-counts" data-tip={words}>
      <span aria-hidden="true" className="event-counts-bar">
        <MiniBar
          parts={shown.map(({ id, word, color }) => ({
            id,
            label: word,
            value: counts[id],
            color,
          }))}
        />
      </span>
      <span aria-hidden="true" className="event-counts-numbers">
        {shown.map(({ id, icon }) => (
          <span key={id} className={`event-count ${id}`}>
            <Icon name={icon} size={12} />
            {count(counts[id])}
            {more}
          </span>
        ))}
      </span>
      <span className="hidden-text">{words}</span>
    </span>
  );
}
