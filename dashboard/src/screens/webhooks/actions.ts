import { useQueryClient } from '@tanstack/react-query';
import { useMemo } from 'react';
import { useLocation } from 'wouter';
import { api } from '../../api/client';
import { asProblem } from '../../api/problem';
import type { Tested, Webhook } from '../../api/types';
import { useHref } from '../../state/url';
import { say } from '../../ui/toast';
import { nameOf } from '../../ui/url-parts';

export interface WebhookActions {
  pause(webhook: Webhook): Promise<void>;
  resume(webhook: Webhook): Promise<void>;
  /** Sends a test event; the toast leads to where it is watched. */
  test(webhook: Webhook): Promise<void>;
}

/** What is done with one webhook at a click. Each says what came of it. */
export function useWebhookActions(): WebhookActions {
  const client = useQueryClient();
  const [, navigate] = useLocation();
  const href = useHref();
  return useMemo(() => {
    const change = async ({ id }: Webhook, verb: 'pause' | 'resume', done: string) => {
      try {
        const changed = await api.post<Webhook>(`/v1/webhooks/${id}/${verb}`);
        client.setQueryData(['webhook', id], changed);
        say({ text: done });
      } catch (error) {
        say({ tone: 'bad', text: asProblem(error).detail });
      }
      await client.invalidateQueries();
    };
    return {
      pause: webhook =>
        change(
          webhook,
          'pause',
          `${nameOf(webhook.webhook_url)} is paused: deliveries are made and wait.`,
        ),
      resume: webhook =>
        change(
          webhook,
          'resume',
          `${nameOf(webhook.webhook_url)} is active: what waited is sent now.`,
        ),
      test: async webhook => {
        const name = nameOf(webhook.webhook_url);
        try {
          const { delivery_id } = await api.post<Tested>(`/v1/webhooks/${webhook.id}/test`);
          const to = href(`/webhooks/${webhook.id}?tab=test&delivery=${delivery_id}`);
          say({
            text:
              webhook.status === 'paused'
                ? `A test event for ${name} waits until it is resumed.`
                : `A test event is on its way to ${name}.`,
            action: { label: 'Watch', run: () => navigate(to) },
          });
        } catch (error) {
          say({ tone: 'bad', text: asProblem(error).detail });
        }
        await client.invalidateQueries();
      },
    };
  }, [client, navigate, href]);
}

export type BulkVerb = 'pause' | 'resume' | 'test' | 'delete';

/** Acts on several webhooks, a few at a time: there is no call for many. */
export async function actOnWebhooks(
  verb: BulkVerb,
  ids: string[],
  progress: (done: number) => void,
): Promise<{ done: number; problems: string[] }> {
  const AT_ONCE = 4;
  const left = [...ids];
  const problems: string[] = [];
  let done = 0;
  const next = async (): Promise<void> => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      try {
        if (verb === 'delete') await api.delete(`/v1/webhooks/${id}`);
        else await api.post(`/v1/webhooks/${id}/${verb}`);
        done += 1;
      } catch (error) {
        problems.push(asProblem(error).detail);
      }
      progress(done + problems.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  return { done, problems };
}
