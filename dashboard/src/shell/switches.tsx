import { setPreference, usePreferences } from '../state/preferences';
import { IconButton } from '../ui/button';
import { Segments } from '../ui/tabs';

export function ZoneSwitch() {
  const { zone } = usePreferences();
  return (
    <Segments
      label="Times in"
      value={zone}
      onChange={value => setPreference('zone', value)}
      options={[
        { id: 'local', label: 'Local', tip: 'Times in your own zone' },
        { id: 'utc', label: 'UTC', tip: 'Times in UTC' },
      ]}
    />
  );
}

const NEXT = { system: 'light', light: 'dark', dark: 'system' } as const;
const ICONS = { system: 'screen', light: 'sun', dark: 'moon' } as const;
const WORDS = { system: 'as the system', light: 'light', dark: 'dark' };

export function ThemeButton() {
  const { theme } = usePreferences();
  return (
    <IconButton
      icon={ICONS[theme]}
      label={`Theme: ${WORDS[theme]}. Change to ${WORDS[NEXT[theme]]}`}
      onClick={() => setPreference('theme', NEXT[theme])}
    />
  );
}
