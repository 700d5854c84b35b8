/**
 * Collects sends into batches, where a producer asked for it (`linger`): of one queue or message group, one topic and one level.
 * A message waits at most `ms`, and no longer than until its batch is full.   RocketMQ: ProduceAccumulator.
 */
import type { Alarm, Alarms } from './alarms.ts'
import type { AppendRequest, AppendResult } from './core-types.ts'
import { BATCH_BYTES_MAX } from './limits.ts'
import { sizeOf } from './producing-core.ts'
import type { LingerSettings } from './settings.ts'

/** Messages that will be one batch. */
type Gathering = {
  readonly key: string
  readonly requests: AppendRequest[]
  readonly waiting: { resolve: (result: AppendResult) => void; reject: (error: unknown) => void }[]
  bytes: number
  alarm: Alarm | undefined
}

/** What an accumulator needs. */
export type AccumulatorOptions = {
  readonly settings: LingerSettings
  readonly alarms: Alarms
  /** Appends them as one step, waiting for room where there is none, and then for their level. */
  readonly send: (requests: readonly AppendRequest[]) => Promise<readonly AppendResult[]>
}

/** Batches in the making. */
export class Accumulator {
  readonly #options: AccumulatorOptions
  readonly #gatherings = new Map<string, Gathering>()
  readonly #sending = new Set<Promise<void>>()

  constructor(options: AccumulatorOptions) {
    this.#options = options
  }

  /** Resolves when the message's batch is as safe as its level says. `key`: what may be one batch. */
  add(key: string, request: AppendRequest): Promise<AppendResult> {
    const bytes = sizeOf(request)
    const { settings, alarms } = this.#options
    let gathering = this.#gatherings.get(key)
    if (gathering !== undefined && gathering.bytes + bytes > BATCH_BYTES_MAX) {
      this.#send(gathering)
      gathering = undefined
    }
    if (gathering === undefined) {
      const begun: Gathering = { key, requests: [], waiting: [], bytes: 0, alarm: undefined }
      begun.alarm = alarms.in(settings.ms, () => this.#send(begun))
      this.#gatherings.set(key, begun)
      gathering = begun
    }
    const { requests, waiting } = gathering
    // All of a batch go to one queue: the first one's.
    requests.push({ ...request, queueId: requests[0]?.queueId ?? request.queueId })
    gathering.bytes += bytes
    const sent = new Promise<AppendResult>((resolve, reject) => waiting.push({ resolve, reject }))
    if (gathering.bytes >= settings.bytes || requests.length >= settings.count) this.#send(gathering)
    return sent
  }

  /** Sends what is gathered now; resolves when all of it is sent or has failed. */
  async flush(): Promise<void> {
    for (const gathering of [...this.#gatherings.values()]) this.#send(gathering)
    while (this.#sending.size > 0) await Promise.all(this.#sending)
  }

  #send(gathering: Gathering): void {
    if (this.#gatherings.get(gathering.key) !== gathering) return
    this.#gatherings.delete(gathering.key)
    this.#options.alarms.cancel(gathering.alarm)
    const { waiting, requests } = gathering
    const sending = this.#options.send(requests).then(
      results => {
        for (const [i, { resolve }] of waiting.entries()) resolve(results[i] as AppendResult)
      },
      (error: unknown) => {
        for (const { reject } of waiting) reject(error)
      },
    )
    this.#sending.add(sending)
    const ended = (): void => {
      this.#sending.delete(sending)
    }
    sending.then(ended, ended)
  }
}
