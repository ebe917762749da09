import { Dialog } from '../ui/dialog';
import { SCREENS } from './screens';
import { isMac } from './sidebar';

export function Shortcuts({ onClose }: { onClose(): void }) {
  const groups: [string, [string, string][]][] = [
    ['Go to', SCREENS.map(screen => [`g ${screen.key}`, screen.label])],
    [
      'In lists',
      [
        ['j', 'Next row'],
        ['k', 'Row before'],
        ['Enter', 'Open the row'],
        ['x', 'Select the row'],
        ['n', 'New webhook, or key'],
      ],
    ],
    [
      'Everywhere',
      [
        [isMac() ? '⌘ K' : 'Ctrl K', 'Go to a screen or an id'],
        ['/', 'Search in this list'],
        ['?', 'These shortcuts'],
        ['Esc', 'Close what is open'],
      ],
    ],
    [
      'On an event',
      [
        ['J', 'Next delivery'],
        ['K', 'Delivery before'],
        ['j', 'Next attempt'],
        ['k', 'Attempt before'],
      ],
    ],
  ];
  return (
    <Dialog title="Shortcuts" onClose={onClose} wide>
      <div className="shortcuts">
        {groups.map(([title, keys]) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl>
              {keys.map(([key, about]) => (
                <div key={key}>
                  <dt>{about}</dt>
                  <dd>
                    {key.split(' ').map(part => (
                      <kbd key={part}>{part}</kbd>
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
