package pocketmq.interop;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

import org.apache.rocketmq.logging.ch.qos.logback.classic.Level;
import org.apache.rocketmq.logging.ch.qos.logback.classic.Logger;
import org.apache.rocketmq.logging.ch.qos.logback.classic.LoggerContext;
import org.apache.rocketmq.logging.ch.qos.logback.classic.spi.ILoggingEvent;
import org.apache.rocketmq.logging.ch.qos.logback.core.AppenderBase;
import org.apache.rocketmq.logging.org.slf4j.LoggerFactory;

/** What the store says in its log: how it was last closed, and every warning and error. */
final class StoreLog extends AppenderBase<ILoggingEvent> {
    private static final int COMPLAINTS_MAX = 50;

    private final List<String> complaints = Collections.synchronizedList(new ArrayList<>());
    private volatile String lastExit = "unknown";

    /** Takes the place of every other appender. */
    static StoreLog capture() {
        LoggerContext context = (LoggerContext) LoggerFactory.getILoggerFactory();
        // A broker's jar brings a configuration of its own, whose loggers write to files and keep from the root what they say.
        context.reset();
        Logger root = context.getLogger(Logger.ROOT_LOGGER_NAME);
        root.setLevel(Level.INFO);
        StoreLog log = new StoreLog();
        log.setContext(context);
        log.start();
        root.addAppender(log);
        return log;
    }

    @Override
    protected void append(ILoggingEvent event) {
        String text = event.getFormattedMessage();
        if (text.startsWith("last shutdown")) {
            lastExit = text.contains("abnormally") ? "abnormal" : "normal";
        }
        if (event.getLevel().isGreaterOrEqual(Level.WARN) && complaints.size() < COMPLAINTS_MAX) {
            complaints.add(event.getLevel() + " " + text);
        }
    }

    String lastExit() {
        return lastExit;
    }

    /** Warnings and errors since this was last asked. */
    List<String> complaints() {
        synchronized (complaints) {
            List<String> taken = new ArrayList<>(complaints);
            complaints.clear();
            return taken;
        }
    }
}
