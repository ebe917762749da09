import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import { asProblem } from '../../api/problem';
import { useTenant } from '../../api/queries';
import { rawMember } from '../../api/raw';
import type { EventDetail, Published } from '../../api/types';
import { Banner } from '../../ui/banner';
import { Button } from '../../ui/button';
import { Dialog } from '../../ui/dialog';
import { Icon } from '../../ui/icons';
import { Id } from '../../ui/id';
import { LinkButton } from '../../ui/link';
import { Skeleton } from '../../ui/list-states';
import { PublishForm } from './publish-form';
import { pretty, type Draft } from './publish-request';

/** Publishes by a form. `copyOf` is an event whose type and data it begins with. */
export function PublishDialog({ copyOf, onClose }: { copyOf: string | null; onClose(): void }) {
  const client = useQueryClient();
  const tenant = useTenant();
  const begin = useBeginning(copyOf);
  const [sent, setSent] = useState<{ draft: Draft; answer: Published } | null>(null);
  const [draft, setDraft] = useState<Draft | null>(null);
  const first = draft ?? begin.data;
  return (
    <Dialog title={sent ? 'Published' : 'Publish event'} wide onClose={onClose}>
      {sent ? (
        <Sent
          {...sent}
          tenant={sent.draft.tenant || tenant}
          onAnother={() => {
            // Under the same id it would be the same event.
            setDraft({ ...sent.draft, id: '' });
            setSent(null);
          }}
          onClose={onClose}
        />
      ) : first ? (
        <PublishForm
          begin={first}
          onClose={onClose}
          onSent={(sentDraft, answer) => {
            setSent({ draft: sentDraft, answer });
            void client.invalidateQueries({ queryKey: ['page', '/v1/events'] });
            void client.invalidateQueries({ queryKey: ['first-event'] });
          }}
        />
      ) : begin.error ? (
        <Banner tone="bad">
          The event to begin with could not be loaded: {asProblem(begin.error).detail}
        </Banner>
      ) : (
        <Skeleton width="100%" height={240} />
      )}
    </Dialog>
  );
}

interface SentProps {
  draft: Draft;
  answer: Published;
  tenant: string | undefined;
  onAnother(): void;
  onClose(): void;
}

function Sent({ draft, answer, tenant, onAnother }: SentProps) {
  // An id of the publisher's own is one of a tenant.
  const whose = tenant === undefined ? '' : `?tenant=${encodeURIComponent(tenant)}`;
  const own = answer.id.startsWith('evt_') ? '' : whose;
  return (
    <div className="publish-sent" role="status">
      <span className="publish-sent-icon">
        <Icon name="check" size={20} />
      </span>
      <p>
        <b>{draft.type}</b>{' '}
        {answer.duplicate
          ? 'was accepted before under this id, with the same content: nothing was done now.'
          : 'is accepted and on its way.'}
      </p>
      <Id id={answer.id} full />
      <div className="row wrap">
        <Button onClick={onAnother}>Publish another</Button>
        <LinkButton look="primary" to={`/events/${encodeURIComponent(answer.id)}${own}`}>
          Open the event
        </LinkButton>
      </div>
    </div>
  );
}

function useBeginning(copyOf: string | null) {
  const tenant = useTenant() ?? '';
  return useQuery({
    queryKey: ['publish-copy', copyOf],
    queryFn: async ({ signal }): Promise<Draft> => {
      if (copyOf === null) return { type: '', tenant, id: '', data: '{\n  \n}' };
      const text = await api.text(`/v1/events/${encodeURIComponent(copyOf)}`, { tenant }, signal);
      const event = JSON.parse(text) as EventDetail;
      const data = rawMember(text, 'data') ?? '{}';
      return { type: event.type, tenant: event.tenant, id: '', data: pretty(data) };
    },
    staleTime: Infinity,
    gcTime: 0,
  });
}
