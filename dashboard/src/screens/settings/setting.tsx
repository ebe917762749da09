import type { Setting } from '../../api/types';
import { CopyButton } from '../../ui/copy';
import { bytes, duration } from '../../ui/format';
import { Icon, type IconName } from '../../ui/icons';

export type SourceKind = 'default' | 'flag' | 'environment' | 'file';

const SOURCE: Record<SourceKind, { icon: IconName; word: string }> = {
  default: { icon: 'dot', word: 'Default' },
  flag: { icon: 'keyboard', word: 'Command line' },
  environment: { icon: 'globe', word: 'Environment' },
  file: { icon: 'table', word: 'File' },
};

const VARIABLE = /^(?:the environment variable )?(POSTRIDER_\w+)$/;

/** The answer says the variable's or the file's name too; here it is only told which of them it is. */
export function kindOf(source: string): SourceKind {
  if (source === 'default') return 'default';
  if (source === 'the command line') return 'flag';
  return VARIABLE.test(source) ? 'environment' : 'file';
}

function nameOf(source: string): string {
  return VARIABLE.exec(source)?.[1] ?? source.replace(/^the file /, '');
}

export function SettingRow({ setting }: { setting: Setting }) {
  const kind = kindOf(setting.source);
  const { icon, word } = SOURCE[kind];
  // POSTRIDER_X_FILE, or a file: more than the tag says.
  const name = nameOf(setting.source);
  const named = name !== setting.env && (kind === 'environment' || kind === 'file');
  return (
    <div>
      <dt>
        <span className="id">
          <code className="break">{setting.key}</code>
          <CopyButton text={setting.key} label="Copy name" />
        </span>
      </dt>
      <dd className="settings-value">
        <Value setting={setting} />
        <span className={`tag settings-source ${kind}`} data-tip={named ? name : undefined}>
          <Icon name={icon} size={12} />
          {word}
        </span>
      </dd>
      <dd className="settings-doc">
        <WithCode text={setting.doc} />
        <span className="faint">
          {' '}
          {setting.flag !== null && (
            <>
              <code>{setting.flag.startsWith('--') ? setting.flag : `--${setting.flag}`}</code>
              ,{' '}
            </>
          )}
          <code>{setting.env}</code>
          {named && (
            <>
              , set by <code className="break">{name}</code>
            </>
          )}
        </span>
      </dd>
    </div>
  );
}

/** The text of the API writes names between backticks. */
function WithCode({ text }: { text: string }) {
  return text.split('`').map((part, at) => (at % 2 === 0 ? part : <code key={at}>{part}</code>));
}

function Value({ setting }: { setting: Setting }) {
  const { value, secret } = setting;
  if (value === null) return <span className="faint">not set</span>;
  if (secret) {
    return (
      <span className="row settings-masked" data-tip="Set, and shown nowhere.">
        <Icon name="lock" size={13} />
        <span aria-label="set, hidden">••••••••</span>
      </span>
    );
  }
  if (Array.isArray(value)) {
    if (value.length === 0) return <span className="faint">none</span>;
    return <code className="break">{value.join(', ')}</code>;
  }
  const words = inWords(setting);
  return (
    <>
      <code className="break">{String(value)}</code>
      {words !== null && <span className="muted small nowrap">{words}</span>}
    </>
  );
}

/** 262144 is 256 KiB, and 45000 of milliseconds are 45 s. */
function inWords({ key, value }: Setting): string | null {
  if (typeof value !== 'number') return null;
  if (key.endsWith('_bytes') && value >= 1_024) return bytes(value);
  if (key.endsWith('_ms') && value >= 1_000) return duration(value);
  return null;
}
