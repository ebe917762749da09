import { asProblem } from '../../api/problem';
import { useSettings } from '../../api/queries';
import { useSession } from '../../api/session';
import type { Setting } from '../../api/types';
import { useUrlState } from '../../state/url';
import { FilterBar, FilterSelect, SearchField } from '../../ui/filters';
import { plural } from '../../ui/format';
import { ErrorState, NoMatch, Skeleton } from '../../ui/list-states';
import { Panel } from '../../ui/page';
import { LogLevel } from './log-level';
import { SettingRow, kindOf, type SourceKind } from './setting';
import { NotForRole } from './not-for-role';

const GROUPS: Record<string, string> = {
  '': 'Place and services',
  services: 'Connections',
  egress: 'Egress',
  limits: 'Limits',
  engine: 'Engine',
  log: 'Log',
};

const SOURCES: { value: SourceKind; label: string }[] = [
  { value: 'flag', label: 'Command line' },
  { value: 'environment', label: 'Environment' },
  { value: 'file', label: 'File' },
  { value: 'default', label: 'Default' },
];

/** What the process that answers was started with, and what set each value. */
export function Configuration() {
  const { may } = useSession();
  if (may('configure')) return <SettingList />;
  return (
    <NotForRole title="The configuration is for admins">
      It names hosts, networks and files of this installation.
    </NotForRole>
  );
}

function SettingList() {
  const url = useUrlState();
  const { data, error, refetch } = useSettings();
  const text = url.get('q') ?? '';
  const source = url.get('source') ?? '';
  const clear = () => url.set({ q: null, source: null });
  const found = data && matching(data.data, text, source);
  if (data === undefined && error) {
    return <ErrorState problem={asProblem(error)} onRetry={() => void refetch()} />;
  }
  return (
    <>
      <p className="muted">
        What the process that answers was started with. A flag goes before the environment, that
        before the file; a change takes a restart. <code>postrider config</code> prints the same.
      </p>
      <FilterBar active={text !== '' || source !== ''} onClear={clear}>
        <SearchField
          main
          label="Search settings"
          placeholder="Name, value or words"
          value={text}
          onChange={q => url.set({ q })}
        />
        <FilterSelect
          label="Set by"
          value={source}
          onChange={next => url.set({ source: next })}
          options={SOURCES}
        />
        {found && (
          <span className="muted small" role="status">
            {plural(found.length, 'setting')}
          </span>
        )}
      </FilterBar>
      {found === undefined ? (
        <Panel title="Settings">
          <Skeleton width="100%" height={320} />
        </Panel>
      ) : found.length === 0 ? (
        <NoMatch what="settings" onClear={clear} />
      ) : (
        grouped(found).map(([group, settings]) => (
          <Panel key={group} title={GROUPS[group] ?? group} flush>
            <dl className="settings-list">
              {settings.map(setting => (
                <SettingRow key={setting.key} setting={setting} />
              ))}
            </dl>
            {group === 'log' && <LogLevel />}
          </Panel>
        ))
      )}
    </>
  );
}

function matching(settings: Setting[], text: string, source: string): Setting[] {
  const wanted = text.toLowerCase();
  return settings.filter(setting => {
    if (source !== '' && kindOf(setting.source) !== source) return false;
    const shown = setting.secret ? '' : String(setting.value);
    return [setting.key, setting.env, setting.doc, setting.source, shown]
      .join('\n')
      .toLowerCase()
      .includes(wanted);
  });
}

/** By the part before the dot, in the order of the answer. */
function grouped(settings: Setting[]): [string, Setting[]][] {
  const groups = new Map<string, Setting[]>();
  for (const setting of settings) {
    const group = setting.key.includes('.') ? (setting.key.split('.')[0] ?? '') : '';
    groups.set(group, [...(groups.get(group) ?? []), setting]);
  }
  return [...groups];
}
