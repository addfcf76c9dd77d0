# Two targets: `docker build --target serving .` and `docker build --target training .`
# Both keep everything that a shop has in the volume at HAWKER_HOME.

FROM python:3.12-slim AS house
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONPATH=/app \
    HAWKER_HOME=/var/lib/hawker \
    NUMBA_CACHE_DIR=/home/hawker/compiled
RUN useradd --system --uid 10001 --create-home hawker \
    && install --directory --owner=hawker --group=hawker --mode=0700 /var/lib/hawker
WORKDIR /app

FROM house AS serving
COPY requirements-serving.lock ./
RUN python -m pip install --no-cache-dir --require-hashes --requirement requirements-serving.lock
COPY hawker.py hawker_campaign_report.py hawker_campaigns.py hawker_keys.py hawker_lists.py hawker_models.py hawker_offers.py hawker_placements.py hawker_segments.py hawker_suggest.py hawker_users.py terminal.py ./
COPY engine ./engine
COPY serving ./serving
USER hawker
# What is compiled for this processor is kept; on another one the first process compiles it anew, for some seconds.
RUN python -c "import engine.recommend.recommender"
VOLUME /var/lib/hawker
ENV HAWKER_HOST=0.0.0.0
EXPOSE 8000
EXPOSE 8001
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/ready', timeout=2)"]
ENTRYPOINT ["python", "-m", "hawker"]
CMD ["serve"]

FROM house AS training
# LightGBM's wheel expects the system's OpenMP, which the slim image lacks.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*
COPY requirements-training.lock ./
RUN python -m pip install --no-cache-dir --require-hashes --requirement requirements-training.lock
COPY hawker.py hawker_campaign_report.py hawker_campaigns.py hawker_keys.py hawker_lists.py hawker_models.py hawker_offers.py hawker_placements.py hawker_segments.py hawker_suggest.py hawker_users.py terminal.py ./
COPY engine ./engine
COPY training ./training
COPY experiments ./experiments
USER hawker
VOLUME /var/lib/hawker
ENTRYPOINT ["python", "-m", "hawker"]
CMD ["train"]
