import { Page } from '../../ui/page';
import { DeliveryList } from './list';

/** The list to work from: what was sent where, what came back, what is tried again. */
export default function Deliveries() {
  return (
    <Page title="Deliveries">
      <DeliveryList />
    </Page>
  );
}
