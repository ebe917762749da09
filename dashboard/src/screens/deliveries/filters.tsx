import { useWebhook } from '../../api/queries';
import { useUrlState, type Patch } from '../../state/url';
import { IconButton } from '../../ui/button';
import { FilterBar, FilterSelect, SearchField } from '../../ui/filters';
import { ERROR_WORDS, STATUS_WORDS } from '../../ui/words';
import { FILTERS, type ListFilter, type Scope } from './filter';
import { answerWords } from './filter-words';

const STATUSES = Object.entries(STATUS_WORDS).map(([value, label]) => ({ value, label }));

const ANSWERS = [
  ...['2xx', '3xx', '4xx', '5xx'].map(value => ({
    value,
    label: `Any ${value}`,
    group: 'Answered with',
  })),
  ...['400', '401', '403', '404', '410', '422', '429', '500', '502', '503', '504'].map(value => ({
    value,
    label: value,
    group: 'Answered with',
  })),
  { value: 'error', label: 'No answer at all', group: 'No answer' },
  ...Object.entries(ERROR_WORDS).map(([value, label]) => ({
    value,
    label: value === 'forbidden' ? `${label} (address)` : label,
    group: 'No answer',
  })),
];

const ATTEMPTS = ['2', '3', '5', '10'].map(value => ({ value, label: `${value} or more` }));

interface Props {
  list: ListFilter;
  scope: Scope;
}

export function DeliveryFilters({ list, scope }: Props) {
  const url = useUrlState();
  const change = (patch: Patch) => url.set({ ...patch, cursor: null, from: null });
  const value = (name: string) => url.get(name) ?? '';
  const find = (text: string) => {
    if (text.startsWith('dlv_')) url.set({ open: text }, { push: true });
    else if (text.startsWith('wh_')) change({ webhook_id: text });
    else change({ event_id: text });
  };
  const answer = value('answer');
  const answers = ANSWERS.some(option => option.value === answer)
    ? ANSWERS
    : [...ANSWERS, { value: answer, label: answerWords(answer), group: 'Answered with' }];
  const webhookId = scope.webhook_id === undefined ? url.get('webhook_id') : null;
  const webhook = useWebhook(webhookId);
  return (
    <FilterBar active={list.narrowed} onClear={() => change(clearPatch())}>
      {scope.event_id === undefined && (
        <SearchField
          main
          label="Find by id"
          placeholder="An id: evt_…, dlv_…, wh_…"
          value={value('event_id')}
          onChange={find}
        />
      )}
      <SearchField
        label="Event type"
        placeholder="Event type, exactly"
        value={value('event_type')}
        onChange={text => change({ event_type: text })}
      />
      {(list.view === 'all' || list.view === 'slow') && (
        <FilterSelect
          label="Status"
          value={value('status')}
          onChange={text => change({ status: text })}
          options={STATUSES}
        />
      )}
      <FilterSelect
        label="Last answer"
        value={answer}
        onChange={text => change({ answer: text })}
        options={answer === '' ? ANSWERS : answers}
      />
      <FilterSelect
        label="Attempts"
        value={value('attempts')}
        onChange={text => change({ attempts: text })}
        options={ATTEMPTS}
      />
      {webhookId !== null && (
        <span className="deliveries-chip">
          <span className="faint">Webhook</span>
          <span className="truncate">{short(webhook.data?.webhook_url) ?? webhookId}</span>
          <IconButton
            small
            icon="cross"
            label="All webhooks"
            onClick={() => change({ webhook_id: null })}
          />
        </span>
      )}
    </FilterBar>
  );
}

/** What clears every filter but the view, the tenant and the order of things. */
export function clearPatch(): Patch {
  const names = [...FILTERS, 'range', 'since', 'until', 'from', 'cursor'];
  return Object.fromEntries(names.map(name => [name, null]));
}

function short(url: string | undefined): string | undefined {
  return url?.replace(/^https:\/\//, '');
}
