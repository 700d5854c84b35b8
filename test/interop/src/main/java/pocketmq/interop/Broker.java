package pocketmq.interop;

import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

import com.alibaba.fastjson2.JSON;

import org.apache.rocketmq.common.BrokerConfig;
import org.apache.rocketmq.common.MixAll;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageConst;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExtBatch;
import org.apache.rocketmq.common.message.MessageExtBrokerInner;
import org.apache.rocketmq.store.DefaultMessageStore;
import org.apache.rocketmq.store.GetMessageResult;
import org.apache.rocketmq.store.PutMessageResult;
import org.apache.rocketmq.store.QueryMessageResult;
import org.apache.rocketmq.store.SelectMappedBufferResult;
import org.apache.rocketmq.store.config.MessageStoreConfig;
import org.apache.rocketmq.store.queue.ConsumeQueueInterface;
import org.apache.rocketmq.store.queue.CqUnit;
import org.apache.rocketmq.store.stats.BrokerStatsManager;

/**
 * Opens a folder with RocketMQ's own store and does what it is told, one command a line on standard input, answering in
 * JSON lines on standard output. The last line of every answer has "t":"done", or "t":"failed" with the reason.
 *
 * Arguments: the folder, then settings of MessageStoreConfig as name=value.
 */
public final class Broker {
    private static final int PULL_MAX = 32;
    private static final int QUERY_MAX = 64;
    private static final InetSocketAddress HOST = new InetSocketAddress("127.0.0.1", 10911);

    private final PrintStream answers;
    private final StoreLog log;
    private final DefaultMessageStore store;
    private int uniqueKeys = 0;

    private Broker(PrintStream answers, StoreLog log, DefaultMessageStore store) {
        this.answers = answers;
        this.log = log;
        this.store = store;
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        System.setOut(System.err);
        StoreLog log = StoreLog.capture();
        Broker broker = new Broker(answers, log, open(arguments));
        broker.start(new File(arguments[0], "abort").exists());
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            broker.carryOut(line.trim().split(" "));
        }
        // The one who gave the commands is gone: so is this process, without closing anything.
        Runtime.getRuntime().halt(3);
    }

    private static DefaultMessageStore open(String[] arguments) throws Exception {
        Properties settings = new Properties();
        for (int i = 1; i < arguments.length; i++) {
            String[] parts = arguments[i].split("=", 2);
            settings.setProperty(parts[0], parts[1]);
        }
        MessageStoreConfig config = new MessageStoreConfig();
        config.setStorePathRootDir(arguments[0]);
        config.setStorePathCommitLog(arguments[0] + File.separator + "commitlog");
        config.setHaListenPort(0);
        // A test machine's disk may be nearly full; that is not what is tested here.
        config.setDiskMaxUsedSpaceRatio(99);
        config.setCleanFileForciblyEnable(false);
        MixAll.properties2Object(settings, config);
        BrokerConfig brokerConfig = new BrokerConfig();
        return new DefaultMessageStore(config, new BrokerStatsManager("interop", true), null, brokerConfig,
            new ConcurrentHashMap<>());
    }

    private void start(boolean abortWasThere) throws Exception {
        try {
            if (!store.load()) {
                fail("load answered false");
                Runtime.getRuntime().halt(1);
            }
            store.start();
        } catch (Throwable thrown) {
            fail(thrown.toString());
            Runtime.getRuntime().halt(1);
        }
        drain();
        Map<String, Object> line = line("opened");
        line.put("lastExit", log.lastExit());
        line.put("abortFile", abortWasThere);
        line.put("minPhyOffset", store.getMinPhyOffset());
        line.put("maxPhyOffset", store.getMaxPhyOffset());
        line.put("complaints", log.complaints());
        say(line);
        done();
    }

    private void carryOut(String[] words) {
        try {
            switch (words[0]) {
                case "dump" -> dump();
                case "query" -> query(words[1], words[2]);
                case "append" -> append(words[1], Integer.parseInt(words[2]), Integer.parseInt(words[3]), words[4]);
                case "batch" -> batch(words[1], Integer.parseInt(words[2]), Integer.parseInt(words[3]), words[4]);
                case "close" -> close();
                default -> throw new IllegalArgumentException("no such command: " + words[0]);
            }
            done();
            if (words[0].equals("close")) {
                System.exit(0);
            }
        } catch (Throwable thrown) {
            fail(thrown.toString());
        }
    }

    /** Every queue, and every message of it as a consumer gets it: the same fields as `pocketmq dump`, without bodies. */
    private void dump() throws Exception {
        Map<String, ConsumeQueueInterface> queues = new TreeMap<>();
        store.getConsumeQueueTable().forEach((topic, ofTopic) -> ofTopic.forEach(
            (queueId, queue) -> queues.put(topic + "/" + String.format("%010d", queueId), queue)));
        for (ConsumeQueueInterface queue : queues.values()) {
            Map<String, Object> line = line("queue");
            line.put("topic", queue.getTopic());
            line.put("queueId", queue.getQueueId());
            line.put("cqType", queue.getCQType().toString());
            line.put("min", queue.getMinOffsetInQueue());
            line.put("max", queue.getMaxOffsetInQueue());
            say(line);
            dumpMessages(queue);
        }
    }

    private void dumpMessages(ConsumeQueueInterface queue) throws Exception {
        long next = queue.getMinOffsetInQueue();
        while (next < queue.getMaxOffsetInQueue()) {
            GetMessageResult result = store.getMessage("interop", queue.getTopic(), queue.getQueueId(), next, PULL_MAX, null);
            try {
                List<SelectMappedBufferResult> messages = result.getMessageMapedList();
                for (int i = 0; i < messages.size(); i++) {
                    sayMessage(queue, result.getMessageQueueOffset().get(i), messages.get(i));
                }
                if (messages.isEmpty() && result.getNextBeginOffset() <= next) {
                    throw new IllegalStateException(queue.getTopic() + " at " + next + ": " + result.getStatus());
                }
                next = result.getNextBeginOffset();
            } finally {
                result.release();
            }
        }
    }

    private void sayMessage(ConsumeQueueInterface queue, long queueOffset, SelectMappedBufferResult message) throws Exception {
        CqUnit entry = queue.get(queueOffset);
        ByteBuffer bytes = message.getByteBuffer();
        byte[] record = new byte[message.getSize()];
        bytes.get(record);
        Map<String, Object> line = line("msg");
        line.put("topic", queue.getTopic());
        line.put("queueId", queue.getQueueId());
        line.put("queueOffset", queueOffset);
        line.put("commitLogOffset", message.getStartOffset());
        line.put("storeSize", message.getSize());
        line.put("tagsCode", entry.getTagsCode());
        line.put("rawSha1", HexFormat.of().formatHex(MessageDigest.getInstance("SHA-1").digest(record)));
        // RocketMQ's own client-side decoder checks the body's CRC; null is its word for a broken message.
        line.put("decodes", MessageDecoder.decode(ByteBuffer.wrap(record), true, false) != null);
        say(line);
    }

    private void query(String topic, String key) {
        QueryMessageResult result = store.queryMessage(topic, key, QUERY_MAX, 0, Long.MAX_VALUE);
        List<Long> offsets = new ArrayList<>();
        try {
            for (ByteBuffer buffer : result.getMessageBufferList()) {
                offsets.add(buffer.getLong(28));
            }
        } finally {
            result.release();
        }
        offsets.sort(null);
        Map<String, Object> line = line("key");
        line.put("topic", topic);
        line.put("key", key);
        line.put("offsets", offsets);
        say(line);
    }

    private void append(String topic, int queueId, int count, String name) throws Exception {
        for (int i = 0; i < count; i++) {
            MessageExtBrokerInner message = new MessageExtBrokerInner();
            message.setTopic(topic);
            message.setQueueId(queueId);
            message.setBody((name + "-" + i).getBytes(StandardCharsets.UTF_8));
            message.setTags("Tag" + i % 3);
            message.setKeys(name + "-" + i);
            MessageAccessor.putProperty(message, MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX, uniqueKey(name));
            message.setBornTimestamp(System.currentTimeMillis());
            message.setBornHost(HOST);
            message.setStoreHost(HOST);
            message.setPropertiesString(MessageDecoder.messageProperties2String(message.getProperties()));
            sayPut(store.putMessage(message));
        }
        drain();
    }

    private void batch(String topic, int queueId, int count, String name) throws Exception {
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Message message = new Message(topic, "Tag" + i % 3, name + "-" + i, (name + "-" + i).getBytes(StandardCharsets.UTF_8));
            MessageAccessor.putProperty(message, MessageConst.PROPERTY_UNIQ_CLIENT_MESSAGE_ID_KEYIDX, uniqueKey(name));
            messages.add(message);
        }
        MessageExtBatch batch = new MessageExtBatch();
        batch.setTopic(topic);
        batch.setQueueId(queueId);
        batch.setBody(MessageDecoder.encodeMessages(messages));
        batch.setBornTimestamp(System.currentTimeMillis());
        batch.setBornHost(HOST);
        batch.setStoreHost(HOST);
        sayPut(store.putMessages(batch));
        drain();
    }

    private String uniqueKey(String name) {
        return String.format("%032X", ((long) name.hashCode() << 32) + uniqueKeys++);
    }

    private void sayPut(PutMessageResult result) {
        if (!result.isOk()) {
            throw new IllegalStateException("put: " + result.getPutMessageStatus());
        }
        Map<String, Object> line = line("put");
        line.put("queueOffset", result.getAppendMessageResult().getLogicsOffset());
        line.put("commitLogOffset", result.getAppendMessageResult().getWroteOffset());
        line.put("size", result.getAppendMessageResult().getWroteBytes());
        say(line);
    }

    private void close() {
        store.shutdown();
        Map<String, Object> line = line("closed");
        line.put("complaints", log.complaints());
        say(line);
    }

    /** Waits until consumers could see everything that is in the log. */
    private void drain() throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (store.dispatchBehindBytes() > 0) {
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException("dispatch is behind by " + store.dispatchBehindBytes() + " bytes");
            }
            TimeUnit.MILLISECONDS.sleep(2);
        }
    }

    private static Map<String, Object> line(String kind) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("t", kind);
        return line;
    }

    private void say(Map<String, Object> line) {
        answers.println(JSON.toJSONString(line));
    }

    private void done() {
        say(line("done"));
        answers.flush();
    }

    private void fail(String reason) {
        Map<String, Object> line = line("failed");
        line.put("reason", reason);
        line.put("complaints", log.complaints());
        say(line);
        answers.flush();
    }
}
