import { useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { api } from '../../api/client';
import { asProblem } from '../../api/problem';
import type { BulkVerb } from '../../api/bulk';
import type { Delivery } from '../../api/types';
import { say } from '../../ui/toast';

/** One delivery retried or cancelled; says what came of it and has the lists asked for anew. */
export function useDeliveryAction(): (
  verb: BulkVerb,
  delivery: Pick<Delivery, 'id'>,
) => Promise<void> {
  const client = useQueryClient();
  return useCallback(
    async (verb, { id }) => {
      try {
        await api.post(`/v1/deliveries/${id}/${verb}`);
        say({
          text: verb === 'retry' ? 'It is sent again now.' : 'Cancelled: it is not sent again.',
        });
      } catch (error) {
        say({ tone: 'bad', text: asProblem(error).detail });
      }
      await client.invalidateQueries({ queryKey: ['delivery', id] });
      await client.invalidateQueries({ queryKey: ['page', '/v1/deliveries'] });
    },
    [client],
  );
}

/** Of what has been delivered there is nothing to retry, and to a deleted webhook nowhere. */
export function canRetry(delivery: Pick<Delivery, 'status' | 'webhook_url'>): boolean {
  return delivery.status !== 'delivered' && delivery.webhook_url !== null;
}

/** "Retry" begins anew what has ended; what waits is only sent earlier. */
export function retryLabel({ status }: Pick<Delivery, 'status'>): string {
  if (status === 'pending') return 'Send now';
  return status === 'retrying' ? 'Retry now' : 'Retry';
}
