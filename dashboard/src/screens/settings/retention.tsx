import { useSystem } from '../../api/queries';
import { asProblem } from '../../api/problem';
import { useSession } from '../../api/session';
import { useNow } from '../../state/now';
import { usePreferences } from '../../state/preferences';
import { CodeBlock } from '../../ui/code';
import { count, plural } from '../../ui/format';
import { ErrorState, Skeleton } from '../../ui/list-states';
import { Panel } from '../../ui/page';
import { NotForRole } from './not-for-role';

const DAY_MS = 24 * 3_600_000;

/** How long things are kept, in words. */
export function Retention() {
  const { may } = useSession();
  const { data, error, refetch } = useSystem(may('operate'));
  if (!may('operate')) {
    return (
      <NotForRole title="How long things are kept is set by who runs this installation">
        What is older is not in the lists any more. A key of the role viewer or admin sees for how
        many days it is kept.
      </NotForRole>
    );
  }
  if (data === undefined && error) {
    return <ErrorState problem={asProblem(error)} onRetry={() => void refetch()} />;
  }
  return (
    <Panel title="Retention" about="for everybody; a webhook has none of its own">
      {data === undefined ? (
        <Skeleton width="100%" height={120} />
      ) : (
        <div className="stack">
          <p className="settings-lead">
            Kept for <b>{plural(data.retention_days, 'day')}</b>, then deleted.
          </p>
          <ul className="settings-words">
            <li>
              Events, their deliveries and all attempts are kept for{' '}
              {plural(data.retention_days, 'day')} from when the event was accepted. What was
              accepted before <Before days={data.retention_days} /> is gone.
            </li>
            <li>What is unfinished stays until it is delivered, failed or cancelled.</li>
            <li>Of what a receiver answered, the first 16 KiB are kept with the attempt.</li>
            <li>
              The counts behind the charts are kept by the minute for 2 days, and by five minutes
              for as long as events.
            </li>
            <li>Webhooks and keys stay until somebody deletes them.</li>
          </ul>
          <div>
            <p className="muted small settings-above-code">
              It is changed in the settings file, and holds from the next start of every process on:
            </p>
            <CodeBlock text={`[limits]\nretention_days = ${data.retention_days}`} />
          </div>
        </div>
      )}
    </Panel>
  );
}

function Before({ days }: { days: number }) {
  const { zone } = usePreferences();
  const at = new Date(useNow() - days * DAY_MS);
  const shown = new Intl.DateTimeFormat('en-GB', {
    year: 'numeric',
    month: 'long',
    day: 'numeric',
    ...(zone === 'utc' ? { timeZone: 'UTC' } : {}),
  });
  return (
    <time dateTime={at.toISOString()} data-tip={`${count(days)} days ago`}>
      {shown.format(at)}
    </time>
  );
}
