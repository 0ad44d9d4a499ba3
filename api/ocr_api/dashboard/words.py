"""Every word that the dashboard shows, in both languages: the one table.

Status words of the old platform are a contract and lie in `ocr_contract.legacy`; these are for people.
"""

from collections.abc import Mapping
from enum import StrEnum


class Language(StrEnum):
    EN = "en"
    ZH = "zh"


LOCALES: Mapping[Language, str] = {Language.EN: "en", Language.ZH: "zh-CN"}
"""What `lang` of a page says."""

WORDS: Mapping[str, tuple[str, str]] = {
    "title": ("OCR projects", "OCR 项目"),
    "skip": ("Skip to the content", "跳到正文"),
    "projects": ("Projects", "项目"),
    "api": ("API", "接口"),
    "other-language": ("中文", "English"),
    "sign-in": ("Sign in", "登录"),
    "sign-out": ("Sign out", "退出"),
    "token": ("Token", "令牌"),
    "token-hint": (
        "Paste the token that callers of the facade send. An administrator finds it in the release's Secret.",
        "粘贴调用接口所用的令牌。管理员可在发布的 Secret 中找到。",
    ),
    "token-wrong": ("That is not the token.", "令牌不正确。"),
    "project": ("Project", "项目"),
    "run": ("Training", "训练"),
    "test": ("Test", "测试"),
    "phase": ("Phase", "阶段"),
    "stage": ("Stage", "步骤"),
    "progress": ("Progress", "进度"),
    "eta": ("Time left", "剩余时间"),
    "hmean": ("Hmean", "检测 Hmean"),
    "hmean-hint": ("Detector: harmonic mean of precision and recall", "检测模型：精确率与召回率的调和平均"),
    "char-precision": ("Characters", "字符精确率"),
    "char-precision-hint": (
        "Recogniser: share of its characters that are right",
        "识别模型：识别出的字符中正确的比例",
    ),
    "end-to-end": ("End to end", "端到端 F1"),
    "end-to-end-hint": ("F1 of whole lines, found and read right", "整行检测并识别正确的 F1"),
    "age": ("Age", "创建时间"),
    "ago": ("{time} ago", "{time}前"),
    "message": ("What it waits for or why it failed", "等待或失败的原因"),
    "filter": ("Filter by name", "按名称筛选"),
    "all-phases": ("All phases", "全部阶段"),
    "shown": ("{shown} of {total} shown", "显示 {shown} / {total}"),
    "phase-Pending": ("Waiting", "等待中"),
    "phase-Preparing": ("Checking the images", "检查数据"),
    "phase-Training": ("Training", "训练中"),
    "phase-Packaging": ("Packaging", "打包中"),
    "phase-Testing": ("Testing", "测试中"),
    "phase-Suspended": ("Stopped", "已停止"),
    "phase-Succeeded": ("Succeeded", "成功"),
    "phase-Failed": ("Failed", "失败"),
    "phase-none": ("Nothing started", "未开始"),
    "stage-prepare": ("Check the images", "检查数据"),
    "stage-detection": ("Train the detector", "训练检测模型"),
    "stage-recognition": ("Train the recogniser", "训练识别模型"),
    "stage-package": ("Package the model", "打包模型"),
    "stage-test": ("Test", "测试"),
    "empty-title": ("No project yet", "还没有项目"),
    "empty-lead": ("There are three ways to start one:", "可以用以下三种方式开始："),
    "empty-kubectl": ("With kubectl", "使用 kubectl"),
    "empty-v1": ("By /api/v1: upload a data set, then start", "通过 /api/v1：上传数据集，然后启动"),
    "empty-platform": ("From the annotation platform, or as it does", "从标注平台启动，或用同样的接口"),
    "live": ("Live", "实时"),
    "not-live": ("Connection lost; what is shown may be old", "连接中断，显示的内容可能已过时"),
    "not-found-title": ("Not found", "未找到"),
    "unavailable-title": ("Not now", "暂时不可用"),
    "error-title": ("That did not work", "操作失败"),
    "back": ("Back to the projects", "返回项目列表"),
    "day": ("d", "天"),
    "hour": ("h", "小时"),
    "minute": ("min", "分"),
    "second": ("s", "秒"),
}


class Words:
    """The table in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._column = list(Language).index(language)

    def __call__(self, key: str, **values: object) -> str:
        """The words; `values` replace what stands in braces."""
        return WORDS[key][self._column].format(**values) if values else WORDS[key][self._column]

    def duration(self, seconds: float) -> str:
        """Rounded to what people say: 45 s, 12 min, 3 h 20 min, 4 d."""
        whole = max(0, round(seconds))
        if whole < 60:
            return f"{whole} {self('second')}"
        if whole < 3600:
            return f"{whole // 60} {self('minute')}"
        if whole < 86400:
            minutes = whole % 3600 // 60
            rest = f" {minutes} {self('minute')}" if minutes else ""
            return f"{whole // 3600} {self('hour')}{rest}"
        return f"{whole // 86400} {self('day')}"


def preferred(chosen: str | None, accepted: str) -> Language:
    """The language that was chosen, else the first known of an Accept-Language header, else English."""
    if chosen in set(Language):
        return Language(chosen)
    ranked = []
    for place, part in enumerate(accepted.split(",")):
        name, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            weight = 0.0
        ranked.append((-weight, place, name.strip().lower().partition("-")[0]))
    known = (name for weight, _, name in sorted(ranked) if weight < 0 and name in set(Language))
    return Language(next(known, Language.EN))
