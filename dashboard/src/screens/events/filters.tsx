import { useStats } from '../../api/queries';
import { useRange } from '../../state/range';
import { useUrlState } from '../../state/url';
import { FilterBar, SearchField } from '../../ui/filters';

/** What the list can be narrowed by here; tenant and time are in the header. */
export function EventFilters({ filtered, onClear }: { filtered: boolean; onClear(): void }) {
  const url = useUrlState();
  const types = useKnownTypes();
  const narrow = (patch: Record<string, string>) => url.set({ ...patch, cursor: null, from: null });
  return (
    <FilterBar active={filtered} onClear={onClear}>
      <SearchField
        main
        label="Event id"
        placeholder="Open an event by its id"
        value={url.get('id') ?? ''}
        onChange={id =>
          url.set({ id, cursor: null, from: null }, { push: id !== '' && url.get('id') === null })
        }
      />
      <SearchField
        label="Event type, exactly"
        placeholder="Event type, exactly"
        value={url.get('type') ?? ''}
        suggestions={types}
        onChange={type => narrow({ type })}
      />
    </FilterBar>
  );
}

/** The busiest event types of late: what is likely meant. */
export function useKnownTypes(): string[] {
  const stats = useStats(useRange('24h'), { group_by: 'event_type' });
  return stats.data?.by_event_type?.map(row => row.event_type) ?? [];
}
