import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api } from '../api/client';
import { useTenant } from '../api/queries';
import type { Page, Webhook } from '../api/types';

const PAUSE_MS = 200;
const NONE: Webhook[] = [];

/** Some webhooks with this in their URL, asked for when one stops typing. */
export function useFoundWebhooks(text: string): Webhook[] {
  const tenant = useTenant();
  const [asked, setAsked] = useState('');
  useEffect(() => {
    const timer = window.setTimeout(setAsked, PAUSE_MS, text);
    return () => window.clearTimeout(timer);
  }, [text]);
  const { data } = useQuery({
    queryKey: ['found-webhooks', asked, tenant],
    queryFn: ({ signal }) =>
      api.get<Page<Webhook>>('/v1/webhooks', { q: asked, limit: 5, tenant }, signal),
    enabled: asked.length > 1 && asked.length <= 256,
    placeholderData: keepPreviousData,
    retry: false,
  });
  const wanted = text.toLowerCase();
  // Those of the text before are shown until its own come, as far as they have it too.
  return asked.length > 1 && text.length > 1 && data
    ? data.data.filter(({ webhook_url }) => webhook_url.toLowerCase().includes(wanted))
    : NONE;
}
