import { useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { isOver } from '../../api/queries';
import { useSession } from '../../api/session';
import type { Delivery } from '../../api/types';
import { useUrlState } from '../../state/url';
import { Button, IconButton } from '../../ui/button';
import { canRetry, retryLabel, useDeliveryAction } from '../deliveries/actions';
import { CancelConfirm } from '../deliveries/row-menu';

/** Send it now, or not any more: as icons in a row of the table, as words below it. */
export function RowActions({ delivery, words }: { delivery: Delivery; words?: boolean }) {
  const { may } = useSession();
  const client = useQueryClient();
  const url = useUrlState();
  const act = useDeliveryAction();
  const [busy, setBusy] = useState(false);
  const [cancels, setCancels] = useState(false);
  if (!may('manage')) return null;
  const changed = () => client.invalidateQueries({ queryKey: ['event'] });
  const retry = async () => {
    setBusy(true);
    await act('retry', delivery);
    // The attempt that it makes opens as soon as it is there.
    if (words) url.set({ attempt: delivery.attempt_count + 1 });
    await changed();
    setBusy(false);
  };
  const send = {
    icon: 'retry' as const,
    small: true,
    busy,
    onClick: () => void retry(),
  };
  const cancel = { icon: 'stop' as const, small: true, onClick: () => setCancels(true) };
  return (
    <span className="event-row-actions">
      {canRetry(delivery) &&
        (words ? (
          <Button {...send}>{retryLabel(delivery)}</Button>
        ) : (
          <IconButton {...send} label={retryLabel(delivery)} />
        ))}
      {!isOver(delivery) &&
        (words ? <Button {...cancel}>Cancel…</Button> : <IconButton {...cancel} label="Cancel…" />)}
      {cancels && (
        <CancelConfirm
          delivery={delivery}
          onClose={() => {
            setCancels(false);
            void changed();
          }}
        />
      )}
    </span>
  );
}
