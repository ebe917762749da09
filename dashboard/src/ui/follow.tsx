import { Button } from './button';

/** Stops and starts a list that follows live. "Pause" is what one does to webhooks. */
export function FollowButton({
  frozen,
  onChange,
}: {
  frozen: boolean;
  onChange(to: boolean): void;
}) {
  return (
    <Button
      className="end follow"
      icon={frozen ? 'play' : 'pause'}
      data-tip={
        frozen ? 'Nothing changes here until you follow again' : 'New rows come in by themselves'
      }
      onClick={() => onChange(!frozen)}
    >
      <span className="follow-word">{frozen ? 'Follow' : 'Freeze'}</span>
    </Button>
  );
}

/** "12 new": what came while somebody reads, and the way to it. */
export function NewRows({ n, capped, onShow }: { n: number; capped?: boolean; onShow(): void }) {
  return (
    <div className="new-rows" aria-live="polite">
      {n > 0 && (
        <button
          type="button"
          onClick={() => {
            onShow();
            scrollTo({ top: 0 });
          }}
        >
          {n}
          {capped && '+'} new
        </button>
      )}
    </div>
  );
}
