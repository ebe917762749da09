import { useMemo } from 'react';
import { useLocation } from 'wouter';
import { useSession } from '../api/session';
import type { Webhook } from '../api/types';
import { setPreference, usePreferences } from '../state/preferences';
import { useHref } from '../state/url';
import type { IconName } from '../ui/icons';
import { SCREENS, SETTINGS_SECTIONS } from './screens';

export interface Command {
  id: string;
  label: string;
  about: string;
  icon: IconName;
  run(): void;
}

/** What publishers may choose as an id. */
const EVENT_ID = /^[\w:-]{1,128}$/;

/** What can be done and gone to, narrowed by what was typed. */
export function useCommands(text: string, webhooks: Webhook[], onShortcuts: () => void): Command[] {
  const [, navigate] = useLocation();
  const href = useHref();
  const { logout, may } = useSession();
  const { theme, zone } = usePreferences();
  return useMemo(() => {
    const go = (to: string) => () => navigate(href(to));
    const found = byId(text);
    if (found !== undefined) return found.map(command => ({ ...command, run: go(command.to) }));
    const screens = SCREENS.map(({ path, label, icon, about }) => ({
      id: label,
      label,
      icon,
      about,
      run: go(path),
    }));
    const actions: (Command | false)[] = [
      may('manage') && {
        id: 'register',
        label: 'Register webhook',
        about: 'Webhooks',
        icon: 'plus',
        run: go('/webhooks?new=1'),
      },
      may('publish') && {
        id: 'publish',
        label: 'Publish event',
        about: 'Events',
        icon: 'plus',
        run: go('/events?publish=1'),
      },
    ];
    // They would hide the rest from who only looks what there is.
    const sections =
      text === ''
        ? []
        : SETTINGS_SECTIONS.map(({ id, label, icon }) => ({
            id: `settings-${id}`,
            label: `Settings: ${label}`,
            about: '',
            icon,
            run: go(`/settings/${id}`),
          }));
    const dark = theme !== 'dark';
    const others: Command[] = [
      {
        id: 'failed',
        label: 'Failed deliveries',
        about: 'Deliveries',
        icon: 'cross',
        run: go('/deliveries?view=failed'),
      },
      {
        id: 'retrying',
        label: 'Retrying deliveries',
        about: 'Deliveries',
        icon: 'retry',
        run: go('/deliveries?view=retrying'),
      },
      {
        id: 'theme',
        label: dark ? 'Dark theme' : 'Light theme',
        about: 'Look',
        icon: dark ? 'moon' : 'sun',
        run: () => setPreference('theme', dark ? 'dark' : 'light'),
      },
      {
        id: 'zone',
        label: zone === 'utc' ? 'Times in local time' : 'Times in UTC',
        about: 'Look',
        icon: 'clock',
        run: () => setPreference('zone', zone === 'utc' ? 'local' : 'utc'),
      },
      { id: 'shortcuts', label: 'Shortcuts', about: '?', icon: 'keyboard', run: onShortcuts },
      { id: 'logout', label: 'Log out', about: 'Session', icon: 'out', run: () => void logout() },
    ];
    const wanted = text.toLowerCase();
    const named = [
      ...screens,
      ...actions.filter(one => one !== false),
      ...sections,
      ...others,
    ].filter(({ label, about }) => `${label} ${about}`.toLowerCase().includes(wanted));
    const byUrl = webhooks.map(({ id, webhook_url }): Command => ({
      id,
      label: webhook_url,
      about: 'Open the webhook',
      icon: 'webhook',
      run: go(`/webhooks/${id}`),
    }));
    const event: Command = {
      id: 'event',
      label: `Open event ${text}`,
      about: 'By the id of its publisher',
      icon: 'event',
      run: go(`/events/${encodeURIComponent(text)}`),
    };
    return [...named, ...byUrl, ...(EVENT_ID.test(text) ? [event] : [])];
  }, [text, webhooks, navigate, href, logout, may, theme, zone, onShortcuts]);
}

function byId(
  text: string,
): { id: string; label: string; about: string; icon: IconName; to: string }[] | undefined {
  if (/^wh_\w+$/.test(text)) {
    return [
      {
        id: 'wh',
        label: text,
        about: 'Open the webhook',
        icon: 'webhook',
        to: `/webhooks/${text}`,
      },
      {
        id: 'wh-d',
        label: text,
        about: 'Its deliveries',
        icon: 'delivery',
        to: `/deliveries?webhook_id=${text}`,
      },
    ];
  }
  if (/^evt_\w+$/.test(text)) {
    return [
      { id: 'evt', label: text, about: 'Open the event', icon: 'event', to: `/events/${text}` },
    ];
  }
  if (/^dlv_\w+$/.test(text)) {
    return [
      {
        id: 'dlv',
        label: text,
        about: 'Open the delivery',
        icon: 'delivery',
        to: `/deliveries?open=${text}`,
      },
    ];
  }
  return undefined;
}
