FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY edgejoule edgejoule
COPY firmware_bridge firmware_bridge
COPY edge_agent edge_agent
COPY collector collector
COPY models models
COPY grafana grafana
RUN python -m venv /opt/edgejoule && /opt/edgejoule/bin/pip install --no-cache-dir ".[collector,analysis]"

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/edgejoule --create-home edgejoule
COPY --from=build /opt/edgejoule /opt/edgejoule
ENV PATH=/opt/edgejoule/bin:$PATH PYTHONUNBUFFERED=1 MPLCONFIGDIR=/tmp
USER edgejoule
VOLUME /var/lib/edgejoule
ENTRYPOINT ["edgejoule"]
CMD ["collector", "run", "--config", "/etc/edgejoule/collector.toml"]
