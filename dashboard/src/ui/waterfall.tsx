import type { Timings } from '../api/types';
import { duration } from './format';

export type PhaseId = 'wait' | 'dns' | 'connect' | 'first' | 'body' | 'none';

interface Phase {
  id: PhaseId;
  label: string;
  ms: number | null;
  absent: string;
  brokeOff?: boolean;
}

interface Props {
  timings: Timings;
  reachedAnswer: boolean;
  /** How long it waited in the queue before, if that is known. */
  waitedMs?: number;
  /** The phase in which it ended without an answer: what is left of the whole was spent there. */
  brokeOffIn?: PhaseId;
}

/** The phases of an attempt one below the other, each where it began: which of them was slow? */
export function Waterfall({ timings, reachedAnswer, waitedMs, brokeOffIn }: Props) {
  const { dns_ms, connect_ms, first_byte_ms, body_ms } = timings;
  // Of a wait much longer than the attempt only the number is told: beside it nothing would be seen.
  const drawnWait = waitedMs !== undefined && waitedMs <= 4 * timings.total_ms ? waitedMs : 0;
  const total_ms = timings.total_ms + drawnWait;
  const order: PhaseId[] = ['wait', 'dns', 'connect', 'first', 'body'];
  const absent = (id: PhaseId) => {
    const passed =
      brokeOffIn === undefined ? reachedAnswer : order.indexOf(id) < order.indexOf(brokeOffIn);
    if (!passed || id === 'first') return 'not reached';
    if (id === 'body') return 'none';
    return id === 'dns' && (connect_ms !== null || brokeOffIn === 'connect')
      ? 'not needed'
      : 'reused connection';
  };
  const spent = (dns_ms ?? 0) + (connect_ms ?? 0) + (first_byte_ms ?? 0) + (body_ms ?? 0);
  const phase = (id: PhaseId, label: string, ms: number | null): Phase =>
    id === brokeOffIn && ms === null
      ? { id, label, ms: Math.max(0, timings.total_ms - spent), absent: '', brokeOff: true }
      : { id, label, ms, absent: absent(id) };
  const phases: Phase[] = [
    phase('dns', 'Name lookup', dns_ms),
    phase('connect', 'Connect (TCP, TLS)', connect_ms),
    phase('first', 'Until the first byte', first_byte_ms),
    phase('body', 'Body', body_ms),
  ];
  if (waitedMs !== undefined) {
    phases.unshift({ id: 'wait', label: 'Queue wait', ms: waitedMs, absent: '' });
  }
  const rest = timings.total_ms - spent;
  if (!reachedAnswer && brokeOffIn === undefined && rest > 1) {
    phases.push({ id: 'none', label: 'Until it gave up', ms: rest, absent: '' });
  }
  let at = 0;
  return (
    <table className="waterfall">
      <caption className="hidden-text">Phases of the attempt</caption>
      <tbody>
        {phases.map(phase => {
          const from = at;
          const drawn = phase.id === 'wait' ? drawnWait : (phase.ms ?? 0);
          at += drawn;
          const left = total_ms === 0 ? 0 : (from / total_ms) * 100;
          const width = total_ms === 0 ? 0 : (drawn / total_ms) * 100;
          return (
            <tr key={phase.id}>
              <th scope="row">{phase.label}</th>
              <td className="waterfall-track" aria-hidden="true">
                {phase.ms !== null && (phase.id !== 'wait' || drawnWait > 0) && (
                  <span
                    className={`waterfall-bar ${phase.id}${phase.brokeOff ? ' broke-off' : ''}`}
                    style={{ left: `${Math.min(left, 99)}%`, width: `${Math.max(width, 0.5)}%` }}
                  />
                )}
              </td>
              <td className="end nowrap">
                {phase.ms === null ? (
                  <span className="faint">{phase.absent}</span>
                ) : (
                  <>
                    {duration(phase.ms)}
                    {phase.brokeOff && (
                      <span className="faint">
                        ,{' '}
                        {phase.id === 'dns' || phase.id === 'connect'
                          ? 'failed here'
                          : 'then ended'}
                      </span>
                    )}
                    {phase.id === 'wait' && phase.ms > 0 && (
                      <span className="faint"> before it</span>
                    )}
                  </>
                )}
              </td>
            </tr>
          );
        })}
        <tr className="waterfall-total">
          <th scope="row">Whole attempt</th>
          <td />
          <td className="end nowrap">{duration(timings.total_ms)}</td>
        </tr>
      </tbody>
    </table>
  );
}
