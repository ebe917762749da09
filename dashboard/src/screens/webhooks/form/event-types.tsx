import { useId, useState, type KeyboardEvent } from 'react';
import { Field } from '../../../ui/form';
import { Icon } from '../../../ui/icons';

interface Props {
  value: string[];
  onChange(value: string[]): void;
  /** Types that were seen lately. */
  known: string[];
  error?: string;
}

/** Event types as chips: Enter, comma or space makes one, Backspace takes the last away. */
export function EventTypesField({ value, onChange, known, error }: Props) {
  const [text, setText] = useState('');
  const listId = useId();
  const take = (typed: string) => {
    const types = typed.split(/[\s,]+/).filter(type => type !== '' && !value.includes(type));
    setText('');
    if (types.length > 0) onChange([...value, ...new Set(types)]);
  };
  const onKey = (event: KeyboardEvent<HTMLInputElement>) => {
    if ((event.key === 'Enter' || event.key === ',' || event.key === ' ') && text.trim() !== '') {
      event.preventDefault();
      take(text);
    } else if (event.key === 'Backspace' && text === '' && value.length > 0) {
      onChange(value.slice(0, -1));
    }
  };
  return (
    <Field
      label="Event types"
      optional
      error={error}
      hint={
        <>
          Exact types such as <code>order.paid</code>, or all below a word: <code>order.*</code>.
          {value.length === 0 && ' With none, it gets every event.'}
        </>
      }
    >
      {props => (
        <div className="input webhooks-chips">
          {value.length > 0 && (
            <ul aria-label="Chosen event types">
              {value.map(type => (
                <li key={type}>
                  <span className="mono">{type}</span>
                  <button
                    type="button"
                    aria-label={`Remove ${type}`}
                    onClick={() => onChange(value.filter(other => other !== type))}
                  >
                    <Icon name="cross" size={12} />
                  </button>
                </li>
              ))}
            </ul>
          )}
          <input
            {...props}
            value={text}
            list={listId}
            placeholder={value.length === 0 ? 'All event types' : undefined}
            autoComplete="off"
            autoCapitalize="off"
            spellCheck={false}
            onChange={event => setText(event.target.value)}
            onKeyDown={onKey}
            onBlur={() => take(text)}
          />
          <datalist id={listId}>
            {suggestions(known, value).map(type => (
              <option key={type} value={type} />
            ))}
          </datalist>
        </div>
      )}
    </Field>
  );
}

/** The types themselves, and the words above them that have several. */
function suggestions(known: string[], chosen: string[]): string[] {
  const below = new Map<string, number>();
  for (const type of known) {
    const dot = type.indexOf('.');
    if (dot > 0) below.set(type.slice(0, dot), (below.get(type.slice(0, dot)) ?? 0) + 1);
  }
  const prefixes = [...below].flatMap(([word, types]) => (types > 1 ? [`${word}.*`] : []));
  return [...prefixes, ...known].filter(type => !chosen.includes(type));
}
