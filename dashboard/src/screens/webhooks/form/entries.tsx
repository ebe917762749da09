import { Button, IconButton } from '../../../ui/button';
import { newEntry, type Entry } from './draft';

interface Props {
  /** What one of them is: "header". */
  what: string;
  entries: Entry[];
  onChange(entries: Entry[]): void;
  error?: string;
  hint?: string;
}

/** Names and values, one pair a line. */
export function EntriesField({ what, entries, onChange, error, hint }: Props) {
  const change = (key: number, patch: Partial<Entry>) =>
    onChange(entries.map(entry => (entry.key === key ? { ...entry, ...patch } : entry)));
  return (
    <div className="webhooks-entries" role="group" aria-label={`${what}s`}>
      {entries.map((entry, at) => (
        <div key={entry.key} className="webhooks-entry">
          <input
            className="input mono"
            aria-label={`Name of ${what} ${at + 1}`}
            aria-invalid={error !== undefined && error.includes(entry.name || '\0')}
            placeholder="name"
            value={entry.name}
            autoComplete="off"
            autoCapitalize="off"
            spellCheck={false}
            onChange={event => change(entry.key, { name: event.target.value, kept: false })}
          />
          <input
            className="input mono"
            aria-label={`Value of ${what} ${entry.name || at + 1}`}
            placeholder={entry.kept ? 'kept as it is' : 'value'}
            value={entry.value}
            autoComplete="off"
            spellCheck={false}
            onChange={event => change(entry.key, { value: event.target.value })}
          />
          <IconButton
            icon="trash"
            label={`Remove ${what} ${entry.name || at + 1}`}
            onClick={() => onChange(entries.filter(({ key }) => key !== entry.key))}
          />
        </div>
      ))}
      {error && (
        <p className="field-error" role="alert">
          {error}
        </p>
      )}
      {hint && <p className="field-hint">{hint}</p>}
      <Button small icon="plus" onClick={() => onChange([...entries, newEntry()])}>
        Add a {what}
      </Button>
    </div>
  );
}
