import { useSystem } from '../../api/queries';
import { useSession } from '../../api/session';
import { Icon } from '../../ui/icons';
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
  const { session, may } = useSession();
  const system = useSystem(may('operate'));
  return (
    <>
      <Panel title="Postrider">
        <Facts
          of={[
            ['Version', session?.version],
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
