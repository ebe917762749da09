import { useQuery } from '@tanstack/react-query';
import { api } from '../../api/client';
import { useSystem } from '../../api/queries';
import { useSession } from '../../api/session';
import { Icon } from '../../ui/icons';
import { Skeleton } from '../../ui/list-states';
import { Facts, Panel } from '../../ui/page';
import { Time } from '../../ui/time';

const LINKS = [
  { href: '/docs', label: 'API reference', about: 'Every operation, to read and to try' },
  { href: '/openapi.json', label: 'openapi.json', about: 'The same for programs (OpenAPI 3.1)' },
  { href: '/errors', label: 'Error codes', about: 'What each code means and what to do' },
  {
    href: '/dashboard/licenses.md',
    label: 'Licences',
    about: 'Of the libraries in this dashboard',
  },
];

/** What this is, and where it is described. */
export function About() {
  const { may } = useSession();
  const operator = may('operate');
  const system = useSystem(operator);
  // Whoever may not see the system reads the version where everybody may.
  const document = useQuery({
    queryKey: ['openapi'],
    queryFn: ({ signal }) =>
      api.get<{ info: { version: string } }>('/openapi.json', undefined, signal),
    staleTime: Infinity,
    enabled: !operator || system.isError,
  });
  const version = system.data?.version ?? document.data?.info.version;
  return (
    <>
      <Panel title="Postrider">
        <Facts
          of={[
            ['Version', version ?? (document.isError ? 'not known' : <Skeleton width={56} />)],
            ['Server', window.location.origin],
            ...(system.data
              ? ([
                  [
                    'Mode',
                    system.data.mode === 'embedded'
                      ? 'Embedded: everything in one process'
                      : 'Distributed, over PostgreSQL and Redis',
                  ],
                  ['Started', <Time key="started" at={system.data.started_at} />],
                ] as [string, React.ReactNode][])
              : []),
          ]}
        />
      </Panel>
      <Panel title="Read on" flush>
        <ul className="settings-links">
          {LINKS.map(link => (
            <li key={link.href}>
              <a href={link.href} target="_blank" rel="noreferrer">
                <span className="grow">
                  <b>{link.label}</b>
                  <span className="muted small">{link.about}</span>
                </span>
                <code className="faint small">{link.href}</code>
                <Icon name="open" />
              </a>
            </li>
          ))}
        </ul>
      </Panel>
    </>
  );
}
