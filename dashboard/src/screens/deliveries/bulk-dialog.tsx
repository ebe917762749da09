import './bulk-dialog.css';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { actOnDeliveries, actOnEach, countDeliveries, type BulkVerb } from '../../api/bulk';
import { asProblem } from '../../api/problem';
import type { DeliveryFilter } from '../../api/types';
import { Banner } from '../../ui/banner';
import { Button } from '../../ui/button';
import { Dialog } from '../../ui/dialog';
import { count, plural } from '../../ui/format';
import { say } from '../../ui/toast';
import { FilterWords } from './filter-words';

interface Props {
  verb: BulkVerb;
  /** All that match, counted before one is asked; or `ids`, the chosen ones. */
  filter?: DeliveryFilter;
  ids?: string[];
  onClose(): void;
  onDone?(): void;
}

const WORDS = {
  retry: {
    title: 'Retry deliveries',
    action: 'Retry',
    about: 'They are sent at once, as fast as each webhook takes them.',
    done: 'sent again',
  },
  cancel: {
    title: 'Cancel deliveries',
    action: 'Cancel',
    about:
      'They are not sent again. Requests that are under way may still arrive. They can be retried later.',
    done: 'cancelled',
  },
};

/** Acts on many deliveries: first counts them, then names the number, then says how far it is. */
export default function BulkDialog({ verb, filter = {}, ids, onClose, onDone }: Props) {
  const client = useQueryClient();
  const words = WORDS[verb];
  const counted = useQuery({
    queryKey: ['bulk-count', verb, filter],
    queryFn: () => countDeliveries(verb, filter),
    enabled: ids === undefined,
    staleTime: 0,
    gcTime: 0,
    retry: false,
  });
  const [done, setDone] = useState<number | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const stop = useRef<AbortController>(undefined);
  useEffect(() => () => stop.current?.abort(), []);

  const matched = ids ? { matched: ids.length, capped: false } : counted.data;
  const ended =
    filter.status?.some(status => status === 'failed' || status === 'cancelled') ?? true;
  const running = done !== null && problem === null;
  const name = matched && plural(matched.matched, 'delivery', 'deliveries', matched.capped);

  const run = async () => {
    const control = new AbortController();
    stop.current = control;
    setDone(0);
    setProblem(null);
    try {
      const { done: did, skipped } = ids
        ? await actOnEach(verb, ids, setDone, control.signal)
        : await actOnDeliveries(verb, filter, setDone, control.signal);
      const left = skipped > 0 ? ` ${count(skipped)} could not be, as they are now.` : '';
      say({
        tone: did === 0 ? 'info' : 'ok',
        text: `${plural(did, 'delivery', 'deliveries')} ${words.done}.${left}`,
      });
      onDone?.();
      onClose();
    } catch (error) {
      if (!control.signal.aborted) setProblem(asProblem(error).detail);
    }
    await client.invalidateQueries({ predicate: query => query.queryKey[0] !== 'bulk-count' });
  };

  return (
    <Dialog title={words.title} onClose={onClose}>
      <div className="stack">
        {ids === undefined && <FilterWords filter={filter} />}
        <p className="bulk-count" role="status">
          {counted.error
            ? null
            : matched === undefined
              ? 'Counting…'
              : running
                ? `${count(done)} of ${name}`
                : name}
        </p>
        {running && matched && (
          <progress
            className="bulk-progress"
            max={matched.capped ? undefined : matched.matched}
            value={matched.capped ? undefined : done}
          />
        )}
        <p className="muted">
          {words.about}
          {verb === 'retry' && ended && ' What has failed begins its plan anew.'}
        </p>
        {(problem ?? counted.error) !== null && (
          <Banner tone="bad">{problem ?? asProblem(counted.error).detail}</Banner>
        )}
        <div className="dialog-actions">
          <Button
            onClick={() => {
              stop.current?.abort();
              onClose();
            }}
          >
            {running ? 'Stop here' : 'Not now'}
          </Button>
          <Button
            look={verb === 'cancel' ? 'danger' : 'primary'}
            busy={running}
            disabled={!matched || matched.matched === 0}
            onClick={() => void run()}
          >
            {name === undefined ? words.action : `${words.action} ${name}`}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
