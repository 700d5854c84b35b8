/** Progress on a terminal's stderr; elsewhere nothing is drawn. */
import type { Writable } from 'node:stream'
import progress from 'cli-progress'

/** Something that goes forward and ends. */
export type Bar = {
  /** How far it is. */
  update(done: number, total?: number): void
  stop(): void
}

const NO_BAR: Bar = { update: () => {}, stop: () => {} }

/** A bar on `stream` where that is a terminal. */
export function startBar(stream: Writable & { readonly isTTY?: boolean }, what: string, total: number): Bar {
  if (stream.isTTY !== true) return NO_BAR
  const bar = new progress.SingleBar(
    {
      stream,
      format: `${what} {bar} {percentage}% | {value}/{total} | {eta_formatted}`,
      clearOnComplete: true,
      hideCursor: true,
    },
    progress.Presets.shades_classic,
  )
  bar.start(total, 0)
  return {
    update: (done, newTotal) => {
      if (newTotal !== undefined) bar.setTotal(newTotal)
      bar.update(done)
    },
    stop: () => bar.stop(),
  }
}
