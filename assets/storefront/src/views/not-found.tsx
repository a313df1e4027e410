import { GlassCase } from '../parts/glass-case';
import { paths } from '../router';
import { useTitle } from './use-title';

export function NotFoundView() {
  useTitle('Not found');
  return (
    <div class="empty">
      <GlassCase />
      <h1>This case is empty</h1>
      <p>There is nothing at this address. It may have been sold, or moved.</p>
      <p class="actions"><a class="button" href={paths.search()}>See every piece</a></p>
    </div>
  );
}
