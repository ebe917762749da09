import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client';
import { asProblem } from '../../api/problem';
import { useTenant } from '../../api/queries';
import { rawMember } from '../../api/raw';
import { useSession } from '../../api/session';
import type { EventDetail, Published } from '../../api/types';
import { Banner } from '../../ui/banner';
import { Button } from '../../ui/button';
import { Dialog } from '../../ui/dialog';
import { Icon } from '../../ui/icons';
import { Id } from '../../ui/id';
import { LinkButton } from '../../ui/link';
import { Skeleton } from '../../ui/list-states';
import { PublishForm } from './publish-form';
import type { Draft } from './publish-request';

/** What was typed and not sent: closing the dialog by mistake must not lose it. */
let unsent: { key: string; draft: Draft } | null = null;

/** Publishes by a form. `copyOf` is an event whose type and data it begins with. */
export function PublishDialog({ copyOf, onClose }: { copyOf: string | null; onClose(): void }) {
  const client = useQueryClient();
  const tenant = useTenant();
  const { session } = useSession();
  const begin = useBeginning(copyOf);
  const key = `${session?.key_name} ${copyOf}`;
  const [left, setLeft] = useState(() => (unsent?.key === key ? unsent.draft : null));
  const [sent, setSent] = useState<{ draft: Draft; answer: Published } | null>(null);
  const [draft, setDraft] = useState<Draft | null>(null);
  const first = draft ?? left ?? begin.data;
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
          key={left === null ? 'new' : 'left'}
          begin={first}
          onClose={onClose}
          onChange={changed => {
            unsent = { key, draft: changed };
          }}
          onAnew={
            left === null
              ? undefined
              : () => {
                  unsent = null;
                  setLeft(null);
                }
          }
          onSent={(sentDraft, answer) => {
            unsent = null;
            setLeft(null);
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
      return { type: event.type, tenant: event.tenant, id: '', data };
    },
    staleTime: Infinity,
    gcTime: 0,
  });
}
