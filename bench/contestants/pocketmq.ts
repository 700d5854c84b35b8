/** PocketMQ, measured as its users call it. */
import { serve } from '../support/protocol.ts'
import { append } from './pocketmq/append.ts'
import { memory } from './pocketmq/memory.ts'
import { fill, open } from './pocketmq/open.ts'
import { queue } from './pocketmq/queue.ts'
import { read, select } from './pocketmq/read.ts'

await serve({ append, read, select, queue, fill, open, memory })
