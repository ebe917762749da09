import { useState } from 'react';
import { useLocation } from 'wouter';
import { isOver } from '../../api/queries';
import { useSession } from '../../api/session';
import type { Delivery } from '../../api/types';
import { useHref, useUrlState } from '../../state/url';
import { Confirm } from '../../ui/dialog';
import { Menu, type MenuItem } from '../../ui/menu';
import { canRetry, retryLabel, useDeliveryAction } from './actions';
import { eventPath } from './paths';

export function RowMenu({ delivery }: { delivery: Delivery }) {
  const [, navigate] = useLocation();
  const href = useHref();
  const url = useUrlState();
  const { may } = useSession();
  const act = useDeliveryAction();
  const [cancels, setCancels] = useState(false);
  const items: (MenuItem | 'line')[] = [
    { label: 'Open', icon: 'delivery', run: () => url.set({ open: delivery.id }, { push: true }) },
    {
      label: 'Open its event',
      icon: 'event',
      run: () => navigate(href(eventPath(delivery))),
    },
    {
      label: 'Open its webhook',
      icon: 'webhook',
      disabled: delivery.webhook_url === null,
      run: () => navigate(href(`/webhooks/${delivery.webhook_id}`)),
    },
  ];
  if (may('manage')) {
    items.push('line');
    items.push({
      label: retryLabel(delivery),
      icon: 'retry',
      disabled: !canRetry(delivery),
      run: () => void act('retry', delivery),
    });
    items.push({
      label: 'Cancel…',
      icon: 'stop',
      danger: true,
      disabled: isOver(delivery),
      run: () => setCancels(true),
    });
  }
  return (
    <>
      <Menu label={`Actions for the delivery of ${delivery.event_type}`} items={items} />
      {cancels && <CancelConfirm delivery={delivery} onClose={() => setCancels(false)} />}
    </>
  );
}

export function CancelConfirm({ delivery, onClose }: { delivery: Delivery; onClose(): void }) {
  const act = useDeliveryAction();
  return (
    <Confirm
      title="Cancel delivery"
      action="Cancel 1 delivery"
      danger
      onConfirm={() => act('cancel', delivery)}
      onClose={onClose}
    >
      <p>
        <b>{delivery.event_type}</b> is not sent to this webhook again. A request that is under way
        may still arrive. It can be retried later.
      </p>
    </Confirm>
  );
}
