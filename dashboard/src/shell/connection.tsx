import { useReached } from '../api/reach';
import { useConnection } from '../api/stream';

const WORDS = {
  live: ['live', 'Live', 'Changes come as they happen.'],
  connecting: ['wait', 'Connecting', 'The live stream is being opened.'],
  polling: ['wait', 'Polling', 'There is no live stream: what is shown is asked for every 5 s.'],
  idle: ['ok', 'Connected', 'The server answers; this screen is asked for every 5 s.'],
  offline: ['off', 'Offline', 'The server does not answer. It is tried again every few seconds.'],
} as const;

/** Whether what is on the screen is fresh. */
export function Connection() {
  const stream = useConnection();
  const [tone, word, about] = WORDS[useReached() ? stream : 'offline'];
  return (
    <span className={`connection ${tone}`} data-tip={about} role="status">
      <span className="connection-dot" aria-hidden="true" />
      <span className="connection-word">{word}</span>
    </span>
  );
}
