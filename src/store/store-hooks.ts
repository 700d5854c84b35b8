/** Where the layers above are told. Set once each, by the one who opened the store. */
import type { Logger } from '../base/logger.ts'
import type { DispatchRequest } from './store-types.ts'

/** Events that nobody has to be told of on the console when no listener is set. */
const QUIET_EVENTS: ReadonlySet<string> = new Set(['segment-removed'])

/** Listeners of one store. */
export class StoreHooks {
  readonly #logger: Logger
  onDispatch: (request: DispatchRequest) => void = () => undefined
  onEvent: (name: string, details: Readonly<Record<string, unknown>>) => void
  keepFrom: () => number | Promise<number> = () => Number.POSITIVE_INFINITY
  readonly closeSteps: (() => Promise<void>)[] = []

  constructor(logger: Logger) {
    this.#logger = logger
    this.onEvent = (name, details) => {
      if (!QUIET_EVENTS.has(name)) this.#logger.warn(details, name)
    }
  }
}
