import { formatMoney, type Money } from '../money';

export interface PriceProps {
  money: Money;
  /** Price tags leave out `.00`; totals keep it. */
  short?: boolean;
}

/** An amount for people. */
export function Price({ money, short = false }: PriceProps) {
  return <span class="price">{formatMoney(money, { short })}</span>;
}
