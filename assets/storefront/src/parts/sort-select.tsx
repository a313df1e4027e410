import { SORTS, type Sort } from '../router';

const LABELS: Record<Sort, string> = {
  newest: 'Newest',
  price_asc: 'Price, low to high',
  price_desc: 'Price, high to low',
  title: 'Name',
};

export interface SortSelectProps {
  value: Sort | '';
  /** Offers "Best match" as the empty value: for searches. */
  byRelevance?: boolean;
  onChange: (sort: Sort | '') => void;
}

/** Order of a list. */
export function SortSelect({ value, byRelevance = false, onChange }: SortSelectProps) {
  return (
    <label class="inline-field">
      <span>Sort by</span>
      <select value={value} data-testid="sort-select" onChange={(event) => onChange(event.currentTarget.value as Sort | '')}>
        {byRelevance && <option value="">Best match</option>}
        {SORTS.map((sort) => (
          <option key={sort} value={sort}>
            {LABELS[sort]}
          </option>
        ))}
      </select>
    </label>
  );
}
