/**
 * Refuses writes while the device has too little room, and takes them again by itself when it has.
 * A store that fills its disk takes its neighbours down with it; RocketMQ's ratios refuse on a healthy laptop. SEMANTICS 7.4.
 */
import type { Clock } from '../base/clock.ts'
import { waitInBackground } from '../base/clock.ts'
import { asError, PocketMQError } from '../base/errors.ts'
import type { FileSystem } from '../files/file-system.ts'
import type { StoreStatus } from './store-status.ts'

const SAMPLE_MS = 1000

/** What the guard watches and whom it tells. */
export type DiskGuardParts = {
  readonly fileSystem: FileSystem
  readonly dir: string
  readonly clock: Clock
  readonly freeBytesMin: number
  readonly status: StoreStatus
  /** Called when room runs out and when it is back. */
  readonly onEvent: (name: string, details: Readonly<Record<string, unknown>>) => void
}

/** Watches the free bytes of a device. */
export class DiskGuard {
  readonly #parts: DiskGuardParts
  readonly #stop = new AbortController()
  #watching: Promise<void> | undefined

  constructor(parts: DiskGuardParts) {
    this.#parts = parts
  }

  /** Looks once, then every second. */
  async start(): Promise<void> {
    if (this.#parts.freeBytesMin === 0) return
    await this.#look()
    this.#watching = this.#watch()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#watching
  }

  async #watch(): Promise<void> {
    while (await waitInBackground(this.#parts.clock, SAMPLE_MS, this.#stop.signal)) await this.#look()
  }

  async #look(): Promise<void> {
    const { fileSystem, dir, freeBytesMin, status, onEvent } = this.#parts
    let freeBytes: number
    try {
      freeBytes = (await fileSystem.device(dir)).freeBytes
    } catch (error) {
      onEvent('error', { operation: 'statfs', message: asError(error).message })
      return
    }
    const isTooFull = freeBytes < freeBytesMin
    if (isTooFull === status.hasPressure) return
    onEvent('disk-pressure', { freeBytes, freeBytesMin, isTooFull })
    status.setPressure(isTooFull ? diskFull(dir, freeBytes, freeBytesMin) : undefined)
  }
}

function diskFull(dir: string, freeBytes: number, freeBytesMin: number): PocketMQError {
  return new PocketMQError(
    'DISK_FULL',
    `${freeBytes} bytes are free on the device of ${dir}, and ${freeBytesMin} are to be left`,
    {
      hint: 'Free some space or lower retention.freeBytesMin; writes resume by themselves.',
      details: { dir, freeBytes, freeBytesMin },
    },
  )
}
