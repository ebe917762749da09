import './overview.css';
import { lazy, Suspense } from 'react';
import { useFirstEvent } from '../../api/first';
import { useOverview, useStats } from '../../api/queries';
import { asProblem } from '../../api/problem';
import { useRange } from '../../state/range';
import { Banner } from '../../ui/banner';
import { Button } from '../../ui/button';
import { ErrorState } from '../../ui/list-states';
import { Page } from '../../ui/page';
import { AttentionTable } from './attention';
import { CausesTable } from './causes';
import { FirstSteps } from './first-steps';
import { OverviewTiles } from './tiles';

const OverviewCharts = lazy(() => import('./charts'));

/** How it is going: the numbers of the range, what needs somebody, and why things fail. */
export default function Overview() {
  const range = useRange();
  const stats = useStats(range);
  const before = useStats(range, {}, true);
  const overview = useOverview(range);
  const first = useFirstEvent();

  if (first.data === null) return <FirstSteps webhooks={overview.data?.webhooks} />;
  const problem = stats.error ?? overview.error;
  const retry = () => {
    void stats.refetch();
    void overview.refetch();
  };
  const nothing = stats.data === undefined && overview.data === undefined;
  return (
    <Page
      title="Overview"
      about={
        range.fixed
          ? 'The chosen time, compared with as long before'
          : `${range.label}, compared with the ${words(range.label)} before`
      }
    >
      {problem && nothing ? (
        <ErrorState problem={asProblem(problem)} onRetry={retry} />
      ) : (
        <>
          {problem && (
            <Banner
              tone="warn"
              action={
                <Button small onClick={retry}>
                  Try again
                </Button>
              }
            >
              This is what was last known: {asProblem(problem).detail}
            </Banner>
          )}
          <OverviewTiles stats={stats.data} before={before.data} overview={overview.data} />
          <Suspense fallback={<div className="overview-charts-space" />}>
            <OverviewCharts stats={stats.data} />
          </Suspense>
          <AttentionTable rows={overview.data?.attention} error={overview.error} onRetry={retry} />
          <CausesTable rows={overview.data?.causes} error={overview.error} onRetry={retry} />
        </>
      )}
    </Page>
  );
}

function words(label: string): string {
  return label.replace(/^Last /, '');
}
