import { useState } from 'react';
import type { BulkVerb } from '../../api/bulk';
import type { Delivery, DeliveryFilter } from '../../api/types';
import { Button } from '../../ui/button';
import { plural } from '../../ui/format';
import BulkDialog from './bulk-dialog';
import { actable, ACTABLE } from './filter';

interface Props {
  /** The chosen rows. */
  chosen: Delivery[];
  /** All rows of the page are chosen, and there are more. */
  offersAll: boolean;
  filter: DeliveryFilter;
  onClear(): void;
}

/** What can be done with the chosen rows, or with all that match the filter. */
export function SelectionBar({ chosen, offersAll, filter, onClear }: Props) {
  const [asked, setAsked] = useState<{
    verb: BulkVerb;
    ids?: string[];
    filter?: DeliveryFilter;
  } | null>(null);
  const [all, setAll] = useState(false);
  const takesAll = all && offersAll;
  const cannot = (verb: BulkVerb) =>
    takesAll ? actable(verb, filter) === null : actableOf(verb, chosen).length === 0;
  const ask = (verb: BulkVerb) => {
    if (!takesAll) return setAsked({ verb, ids: actableOf(verb, chosen) });
    const narrowed = actable(verb, filter);
    if (narrowed !== null) setAsked({ verb, filter: narrowed });
  };
  return (
    <div className="selection-bar" role="region" aria-label="Selection">
      <b>
        {takesAll
          ? 'All that match the filters'
          : `${plural(chosen.length, 'delivery', 'deliveries')} selected`}
      </b>
      {offersAll && (
        <button type="button" className="link" onClick={() => setAll(!all)}>
          {all ? 'Only this page' : 'Select all that match'}
        </button>
      )}
      <span className="row wrap end">
        <Button small icon="retry" disabled={cannot('retry')} onClick={() => ask('retry')}>
          Retry…
        </Button>
        <Button small icon="stop" disabled={cannot('cancel')} onClick={() => ask('cancel')}>
          Cancel…
        </Button>
        <Button small look="quiet" onClick={onClear}>
          Clear selection
        </Button>
      </span>
      {asked && <BulkDialog {...asked} onClose={() => setAsked(null)} onDone={onClear} />}
    </div>
  );
}

/** What has been delivered cannot be retried, nor what has ended be cancelled. */
function actableOf(verb: BulkVerb, rows: Delivery[]): string[] {
  return rows.filter(({ status }) => ACTABLE[verb].includes(status)).map(({ id }) => id);
}
