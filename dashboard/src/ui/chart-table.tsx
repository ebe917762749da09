import type { Series } from './chart';
import { useFormatTime } from './time';

interface Props {
  at: number[];
  series: Series[];
  format(value: number): string;
  label: string;
}

/** The numbers of a chart, newest first, to be read and copied. */
export function ChartTable({ at, series, format, label }: Props) {
  const formatTime = useFormatTime();
  return (
    <div className="chart-table" tabIndex={0} role="region" aria-label={`${label}, as a table`}>
      <table>
        <thead>
          <tr>
            <th scope="col">From</th>
            {series.map(one => (
              <th key={one.id} scope="col" className="end">
                {one.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {at
            .map((start, index) => (
              <tr key={start}>
                <th scope="row">{formatTime(start)}</th>
                {series.map(one => {
                  const value = one.values[index];
                  return (
                    <td key={one.id} className="end">
                      {value === null || value === undefined ? '–' : format(value)}
                    </td>
                  );
                })}
              </tr>
            ))
            .reverse()}
        </tbody>
      </table>
    </div>
  );
}
