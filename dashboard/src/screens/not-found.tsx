import { LinkButton } from '../ui/link';
import { State } from '../ui/list-states';
import { Page } from '../ui/page';

export default function NotFound() {
  return (
    <Page title="Not found">
      <State
        icon="search"
        title="There is no such screen"
        action={<LinkButton to="/">Go to the overview</LinkButton>}
      >
        The address may be mistyped, or from another version of Postrider. With an id at hand, press{' '}
        <kbd>Ctrl</kbd> <kbd>K</kbd> and paste it.
      </State>
    </Page>
  );
}
