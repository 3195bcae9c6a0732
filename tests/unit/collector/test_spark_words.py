"""What is quoted of Spark's log: the line that says why, not the first one with a word of alarm."""

import pytest

from collector.assessment.spark_words import telling

WARNING = "26/11/23 09:01:44 WARN NativeCodeLoader: Unable to load native-hadoop library for your platform"
OLD_JAVA = """\
Error: LinkageError occurred while loading main class org.apache.spark.launcher.Main
\tjava.lang.UnsupportedClassVersionError: org/apache/spark/launcher/Main has been compiled by a more recent version
"""
NO_MEMORY = """\
Error occurred during initialization of VM
Could not reserve enough space for 97656274944KB object heap
"""
NO_HOST = f"""\
{WARNING}
Exception in thread "main" java.lang.ExceptionInInitializerError
\tat org.apache.spark.SparkConf$.<clinit>(SparkConf.scala:716)
Caused by: java.net.UnknownHostException: edge: edge: Name or service not known
\tat java.base/java.net.InetAddress.getLocalHost(InetAddress.java:1776)
Caused by: java.net.UnknownHostException: edge: Name or service not known
\t... 13 more
"""


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (
            OLD_JAVA,
            "java.lang.UnsupportedClassVersionError: org/apache/spark/launcher/Main has been compiled by a more",
        ),
        (NO_MEMORY, "Could not reserve enough space for 97656274944KB object heap"),
        (NO_HOST, "java.net.UnknownHostException: edge: Name or service not known"),
        ("Error: Could not create the Java Virtual Machine.", "Error: Could not create the Java Virtual Machine."),
        (f"{WARNING}\n26/11/23 09:01:44 INFO SparkContext: Invalid nothing", ""),
        ("", ""),
    ],
)
def test_the_line_that_tells_is_quoted(log: str, words: str) -> None:
    found = telling(log.splitlines())
    assert found.startswith(words)
    assert bool(found) == bool(words)


def test_a_line_without_end_is_cut_and_printable() -> None:
    found = telling([f"Error: \x1b[31m{'x' * 5000}"])
    assert len(found) <= 300
    assert found.isprintable()
