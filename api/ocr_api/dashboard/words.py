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
    # A test, and two runs side by side.
    "tested-precision": ("Precision", "检测精确率"),
    "tested-recall": ("Recall", "检测召回率"),
    "tested-hmean": ("Hmean", "检测 Hmean"),
    "tested-end_to_end_f1": ("End to end F1", "端到端 F1"),
    "tested-word_acc": ("Words", "整行正确率"),
    "tested-char_precision": ("Characters", "字符精确率"),
    "tested-under-way": (
        "The test is running: {done} of {total} images are read.",
        "正在测试：已识别 {done} / {total} 张图片。",
    ),
    "tested-left": ("About {time} left.", "大约还需 {time}。"),
    "tested-not-begun": (
        "The test has not begun yet. This page follows by itself.",
        "测试尚未开始，页面会自动更新。",
    ),
    "tested-failed": ("It failed before there were results.", "在得到结果之前失败。"),
    "tested-nothing": ("There are no results by image.", "没有逐图结果。"),
    "tested-earlier": ("Below: the results of the test before this one.", "下方为上一次测试的结果。"),
    "tested-no-truth": (
        "Nobody has said what these images hold: found lines and their scores are shown, not figures.",
        "这些图片没有标注：只显示检测到的文本行及其得分，不计算指标。",
    ),
    "tested-images": ("Images", "图片"),
    "tested-order": ("Order", "排序"),
    "tested-sort-worst": ("Worst first", "最差优先"),
    "tested-sort-uncertain": ("What to label next", "建议优先标注"),
    "tested-sort-name": ("By name", "按名称"),
    "tested-uncertain-hint": (
        "The images with the least certain line first: labelling these teaches the model most.",
        "按最不确定的文本行排序：优先标注这些图片对模型最有帮助。",
    ),
    "tested-search": ("Search", "搜索"),
    "tested-range": ("{first}–{last}", "第 {first}–{last} 张"),
    "tested-of": ("of {total}", "共 {total} 张"),
    "tested-none-fits": ("No image fits.", "没有符合条件的图片。"),
    "tested-pages": ("Pages", "翻页"),
    "tested-page-before": ("Page before", "上一页"),
    "tested-page-after": ("Next page", "下一页"),
    "tested-unreadable": ("Unreadable", "无法读取"),
    "tested-n-right": ("{n} right", "正确 {n}"),
    "tested-n-misread": ("{n} misread", "误读 {n}"),
    "tested-n-missed": ("{n} missed", "漏检 {n}"),
    "tested-n-false": ("{n} false", "误检 {n}"),
    "tested-lowest": ("lowest score {score}", "最低得分 {score}"),
    "tested-kind-right": ("Right", "正确"),
    "tested-kind-misread": ("Misread", "误读"),
    "tested-kind-missed": ("Missed", "漏检"),
    "tested-kind-false": ("False", "误检"),
    "tested-kind-found": ("Found", "检出"),
    "tested-kind-ignored": ("Ignored", "忽略"),
    "tested-score": ("score {score}", "得分 {score}"),
    "tested-expected": ("Expected", "应为"),
    "tested-read": ("Read", "识别为"),
    "tested-instead": ("misread part:", "误读部分："),
    "tested-left-out": ("left out:", "遗漏："),
    "tested-read-as": ("read instead:", "误读成："),
    "tested-too-many": ("too many:", "多出："),
    "tested-nothing-there": ("nothing", "无"),
    "tested-count": ("Times", "次数"),
    "tested-confusions": ("Characters read for others", "易混淆的字符"),
    "tested-confusions-hint": (
        "Counted where the recogniser read the true outlines. ␣ is a space.",
        "在标注框上识别时统计。␣ 表示空格。",
    ),
    "tested-scores": ("Scores of the lines", "文本行得分分布"),
    "tested-scores-hint": (
        "How sure the recogniser was. Where right and wrong lie apart, a threshold can tell them.",
        "识别模型的把握程度。正确与错误分得越开，越容易用阈值区分。",
    ),
    "tested-score-axis": ("Score", "得分"),
    "tested-lines": ("Lines", "文本行"),
    "tested-as-table": ("As a table", "以表格显示"),
    "tested-scored-right": ("Right", "正确"),
    "tested-scored-wrong": ("Wrong", "错误"),
    "tested-scored-unknown": ("Unknown", "未知"),
    "tested-all": ("All images", "全部图片"),
    "tested-previous": ("Previous", "上一张"),
    "tested-next": ("Next", "下一张"),
    "tested-place": ("{number} of {total}", "第 {number} 张，共 {total} 张"),
    "tested-zoom": ("Zoom", "缩放"),
    "tested-zoom-in": ("Zoom in", "放大"),
    "tested-zoom-out": ("Zoom out", "缩小"),
    "tested-fit": ("Fit", "适应窗口"),
    "tested-picture": ("Picture {file} with outlines of its lines", "图片 {file}，带文本行轮廓"),
    "tested-keys": (
        "Keys: + and − zoom, 0 fits, shift and arrows move, ← → change the image, Esc goes back."
        " The wheel zooms and dragging moves, too.",
        "按键：+ / − 缩放，0 适应窗口，Shift+方向键平移，← → 切换图片，Esc 返回。也可用滚轮和拖动。",
    ),
    "tested-shown-kinds": ("Kinds of lines that are shown", "显示的文本行类别"),
    "tested-no-lines": ("No line is in this image, and none was found.", "这张图片没有文本行，也未检出。"),
    "compare-title": ("Compare", "对比"),
    "compare-runs": ("Two trainings side by side", "对比两次训练"),
    "compare-first": ("Training", "训练"),
    "compare-second": ("Compared with", "与之对比"),
    "compare-go": ("Compare", "对比"),
    "compare-choose": ("Choose two trainings.", "请选择两次训练。"),
    "compare-too-few": (
        "The project has one training only; compare it when there is another.",
        "该项目只有一次训练，有另一次后再来对比。",
    ),
    "compare-figures": ("Figures", "指标"),
    "compare-figure": ("Figure", "指标"),
    "compare-difference": ("Difference", "差值"),
    "compare-hmean": ("Hmean", "检测 Hmean"),
    "compare-char_precision": ("Characters", "字符精确率"),
    "compare-end_to_end_f1": ("End to end F1", "端到端 F1"),
    "compare-gpu_seconds": ("GPU time", "GPU 时间"),
    "compare-duration_seconds": ("Duration", "耗时"),
    "compare-better": ("better", "更好"),
    "compare-worse": ("worse", "更差"),
    "compare-same": ("same", "相同"),
    "compare-curves": ("Curves", "曲线"),
    "compare-no-curves": ("Neither has curves.", "两次训练都没有曲线。"),
    "compare-loss-detection": ("Detector: loss", "检测模型：损失"),
    "compare-loss-recognition": ("Recogniser: loss", "识别模型：损失"),
    "compare-hmean-detection": ("Detector: hmean of the validations", "检测模型：验证 Hmean"),
    "compare-char-recognition": ("Recogniser: characters of the validations", "识别模型：验证字符精确率"),
    "compare-step": ("Step", "迭代"),
    "compare-epoch": ("Epoch", "轮次"),
    "compare-images": ("Images", "图片"),
    "compare-of-images": (
        "Both have tested {compared} images: {run} reads {improved} better, {worsened} worse than {other}.",
        "两次都测试了 {compared} 张图片：与 {other} 相比，{run} 有 {improved} 张更好，{worsened} 张更差。",
    ),
    "compare-no-images": (
        "Images are compared where both trainings have tested themselves (runTest).",
        "两次训练都做过自测（runTest）时才能逐图对比。",
    ),
    "compare-got-better": ("Got better", "变好的图片"),
    "compare-got-worse": ("Got worse", "变差的图片"),
    "compare-image": ("Image", "图片"),
    "compare-none": ("None.", "没有。"),
    "compare-share": ("{right} of {all} right", "{right} / {all} 正确"),
    "compare-look": ("{file} as {run} reads it", "{run} 对 {file} 的识别"),
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
