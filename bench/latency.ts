/** `npm run bench:latency`: from `send` to the handler in the same process, at 1,000 messages a second. `--seconds 10`. */
import { parseArgs } from 'node:util'
import { benchLatency } from './latency.bench.ts'
import { printRows } from './support/rows.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '10' } } })
printRows('From send to the handler', await benchLatency(Number(values.seconds)))
