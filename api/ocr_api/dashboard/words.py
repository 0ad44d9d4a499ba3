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
    # the pages of a project and of a run
    "state": ("State", "状态"),
    "why": ("Why", "原因"),
    "conditions": ("What the operator says", "控制器的说明"),
    "condition-Complete-True": ("Everything is done", "全部完成"),
    "condition-Complete-False": ("Not everything is done", "尚未全部完成"),
    "condition-Failed-True": ("It failed", "已失败"),
    "condition-Failed-False": ("It has not failed", "未失败"),
    "condition-Suspended-True": ("It is stopped", "已停止"),
    "condition-Suspended-False": ("It is not stopped", "未停止"),
    "condition-DatasetValid-True": ("The images and annotations can be used", "图片和标注可用"),
    "condition-DatasetValid-False": ("The images or annotations can't be used", "图片或标注不可用"),
    "condition-DatasetValid-Unknown": ("The images are not checked yet", "图片尚未检查"),
    "condition-Waiting-True": ("It is waiting", "正在等待"),
    "condition-Waiting-False": ("It waits for nothing", "无需等待"),
    "condition-ProgressStalled-True": ("The training has stopped reporting", "训练长时间没有进展"),
    "condition-ProgressStalled-False": ("The training reports as it should", "训练正常汇报进展"),
    "condition-NotLearning-True": ("The training learns nothing", "训练没有效果"),
    "condition-NotLearning-False": ("The training learns", "训练有效果"),
    "condition-QualityPassed-True": ("The model is good enough for the gates", "模型达到质量要求"),
    "condition-QualityPassed-False": ("The model misses a gate", "模型未达到质量要求"),
    "condition-QualityPassed-Unknown": ("The model is not judged yet", "模型尚未评定"),
    "started": ("Started", "开始时间"),
    "ended": ("Ended", "结束时间"),
    "gpu-minutes": ("GPU minutes", "GPU 分钟"),
    "actions": ("Actions", "操作"),
    "stop": ("Stop", "停止"),
    "stop-ask": (
        "Stop this training? Its checkpoint stays, and it can be resumed.",
        "停止此训练？检查点会保留，之后可以继续。",
    ),
    "stop-said": ("The training is being stopped.", "正在停止训练。"),
    "resume": ("Resume", "继续"),
    "resume-said": ("The training goes on from its checkpoint.", "训练将从检查点继续。"),
    "retry": ("Retry", "重新训练"),
    "retry-ask": ("Train again from the start, with the settings it had?", "用原来的设置从头重新训练？"),
    "retry-stops": ("Training {run}, which is running, will be stopped.", "正在运行的训练 {run} 将被停止。"),
    "retry-said": ("The training starts anew.", "训练已重新开始。"),
    "download-model": ("Download model", "下载模型"),
    "start-test": ("Start test", "开始测试"),
    "test-said": ("The test is started.", "测试已开始。"),
    "test-id": ("Name of the test (testID)", "测试名称 (testID)"),
    "test-hint": (
        "Its images lie on the volume in {folder} and this name.",
        "图片位于存储卷的 {folder} 下以此命名的文件夹中。",
    ),
    "test-model": (
        "The project's model is used: that of training {run}.",
        "使用项目的模型，来自训练 {run}。",
    ),
    "cancel": ("Cancel", "取消"),
    "wait": ("One moment…", "请稍候……"),
    "no-answer": (
        "There was no answer; it may or may not have happened.",
        "没有收到回应，操作可能已执行，也可能未执行。",
    ),
    "gone": ("It is gone: what is shown was the last of it", "已被删除，显示的是最后的内容"),
    "revision": ("revision {number}", "第 {number} 次修订"),
    "revision-name": ("Revision", "修订号"),
    "timeline": ("Timeline", "时间线"),
    "no-timeline": ("The status keeps no stages of this training.", "状态中没有保留此训练的步骤。"),
    "nothing-begun": ("Nothing has begun yet.", "尚未开始。"),
    "queued": ("Queued", "排队"),
    "queued-hint": ("How long it waited after the stages before it had ended", "前面的步骤结束后等待的时间"),
    "worked": ("Worked", "运行时间"),
    "attempts": ("Attempts", "尝试次数"),
    "restarts": ("{count} after a stall", "其中 {count} 次因停滞"),
    "stage-state-Pending": ("Not yet", "未开始"),
    "stage-state-Queued": ("Queued", "排队中"),
    "stage-state-Running": ("Running", "运行中"),
    "stage-state-Suspended": ("Stopped", "已停止"),
    "stage-state-Succeeded": ("Succeeded", "成功"),
    "stage-state-Failed": ("Failed", "失败"),
    "curves": ("Curves", "曲线"),
    "log-scale": ("Loss on a logarithmic scale", "损失使用对数坐标"),
    "smoothing": ("Smoothing", "平滑"),
    "model-detection": ("Detector", "检测模型"),
    "model-recognition": ("Recogniser", "识别模型"),
    "legend": ("Shown", "显示"),
    "chart-loss": ("Loss", "损失"),
    "chart-figures": ("Evaluations", "评估"),
    "chart-speed": (
        "Samples per second, and share of time waiting for data",
        "每秒样本数与等待数据的时间占比",
    ),
    "chart-table-below": ("The last values stand in the table below.", "最新数值见下方表格。"),
    "last-values": ("Last values as a table", "最新数值表"),
    "curve-none": ("No curves yet.", "暂无曲线。"),
    "curve-step": ("Step", "步"),
    "curve-epoch": ("Epoch", "轮次"),
    "curve-evaluation": ("Evaluated here", "评估点"),
    "curve-mean": ("Loss, mean of an epoch", "损失（每轮平均）"),
    "curve-figure": ("Figure", "指标"),
    "curve-last": ("Last", "最新"),
    "curve-best": ("Best", "最佳"),
    "curve-at": ("At", "位置"),
    "curve-speed": ("Samples per second", "每秒样本数"),
    "curve-wait": ("Waiting for data", "等待数据占比"),
    "curve-loss": ("Loss", "损失"),
    "curve-lr": ("Learning rate", "学习率"),
    "curve-precision": ("Precision", "精确率"),
    "curve-recall": ("Recall", "召回率"),
    "curve-threshold": ("Threshold", "阈值"),
    "curve-char-recall": ("Characters, recall", "字符召回率"),
    "curve-word-acc": ("Words right", "整词正确率"),
    "curve-word-acc-case": ("Words right, case ignored", "整词正确率（忽略大小写）"),
    "curve-word-acc-symbol": ("Words right, case and symbols ignored", "整词正确率（忽略大小写和符号）"),
    "findings": ("What was found in the data", "数据检查结果"),
    "findings-none": ("Nothing was found that fits.", "没有符合条件的结果。"),
    "findings-unchecked": ("The images have not been checked yet.", "图片尚未检查。"),
    "findings-show": ("Show {image}", "显示 {image}"),
    "findings-range": ("Findings {first} to {last}", "第 {first} 至 {last} 条"),
    "findings-alone": (
        "{image}: no outline is known for this finding.",
        "{image}：此条结果没有可绘制的轮廓。",
    ),
    "findings-drawn": ("{image}: the outline is drawn.", "{image}：已绘制轮廓。"),
    "findings-missing": ("{image} can't be shown.", "无法显示 {image}。"),
    "all": ("All", "全部"),
    "severity": ("Severity", "严重程度"),
    "severity-error": ("Unusable", "不可用"),
    "severity-repaired": ("Repaired", "已修复"),
    "severity-ignored": ("Ignored", "已忽略"),
    "kind": ("Kind", "类型"),
    "image": ("Image", "图片"),
    "finding": ("Finding", "问题"),
    "finding-done": ("Done about it", "处理方式"),
    "pages": ("Pages", "翻页"),
    "page-before": ("Previous", "上一页"),
    "page-next": ("Next", "下一页"),
    "kind-unnamed-image": ("Image without a name", "图片没有名称"),
    "kind-image-not-valid": ("Image marked as not valid", "图片被标为无效"),
    "kind-image-listed-twice": ("Image listed twice", "图片重复列出"),
    "kind-malformed-entry": ("Malformed entry", "条目格式错误"),
    "kind-orphan": ("Annotation of no image", "标注没有对应图片"),
    "kind-annotation-id-twice": ("Annotation id used twice", "标注编号重复"),
    "kind-textless-category": ("Category without text", "类别没有文本"),
    "kind-unchosen-category": ("Category not chosen", "类别未被选用"),
    "kind-missing-image": ("Image missing", "图片缺失"),
    "kind-ambiguous-image": ("Image not unique", "图片不唯一"),
    "kind-image-taken": ("Image taken already", "图片已被占用"),
    "kind-unlisted-image": ("Image not annotated", "图片未标注"),
    "kind-unreadable-image": ("Image unreadable", "图片无法读取"),
    "kind-wrong-size": ("Wrong size", "尺寸不符"),
    "kind-turned-image": ("Image turned", "图片被旋转"),
    "kind-outlines-moved": ("Outlines moved", "轮廓已移动"),
    "kind-same-picture": ("Same picture twice", "图片相同"),
    "kind-leaked-image": ("Validation image in training", "验证图片混入训练"),
    "kind-near-duplicate": ("Nearly the same picture", "图片近似重复"),
    "kind-no-outline": ("No outline", "没有轮廓"),
    "kind-degenerate-outline": ("Outline without area", "轮廓没有面积"),
    "kind-outline": ("Outline repaired", "轮廓已修复"),
    "kind-duplicate": ("Annotated twice", "重复标注"),
    "kind-text": ("Text repaired", "文本已修复"),
    "kind-no-text": ("No text", "没有文本"),
    "kind-text-too-long": ("Text too long", "文本过长"),
    "kind-unseen-characters": ("Characters never trained", "训练中未出现的字符"),
    "dictionary": ("Dictionary", "字典"),
    "dictionary-none": ("There is no count of the characters.", "没有字符统计。"),
    "dictionary-shown": ("{shown} of {total} characters", "{shown} / {total} 个字符"),
    "dictionary-unknown": ("no", "否"),
    "dictionary-known": ("yes", "是"),
    "dictionary-space": ("space", "空格"),
    "order": ("Order", "排序"),
    "order-often": ("Most frequent first", "按频率从高到低"),
    "order-seldom": ("Least frequent first", "按频率从低到高"),
    "order-code": ("By character", "按字符"),
    "character": ("Character", "字符"),
    "in-training": ("In training", "训练中"),
    "in-validation": ("In validation", "验证中"),
    "known": ("Known to the model", "模型认识"),
    "log": ("Log", "日志"),
    "log-none": ("There is no log yet.", "暂无日志。"),
    "log-ended": ("The training is over; this is the end of the log.", "训练已结束，日志到此为止。"),
    "log-following": ("New lines appear as they are written.", "新的日志会实时显示。"),
    "log-whole": ("Download the whole log", "下载完整日志"),
    "follow": ("Follow", "实时跟踪"),
    "settings": ("Settings", "设置"),
    "settings-past": (
        "The status keeps no settings of past trainings, only what they reached.",
        "状态不保留过去训练的设置，只保留结果。",
    ),
    "folder": ("Folder on the volume", "存储卷上的文件夹"),
    "runs": ("Trainings", "训练记录"),
    "runs-none": ("No training was started yet.", "还没有训练。"),
    "past": ("past", "过往"),
    "test-of-project": ("Test", "测试"),
    "tests-none": ("No test of its own was started.", "还没有单独的测试。"),
    "model-is": ("The project's model is that of training", "项目的模型来自训练"),
    "model-none": ("The project has no model yet.", "项目还没有模型。"),
    "links": ("More", "更多"),
    "link-document": ("The project as JSON", "项目的 JSON 文档"),
    "link-events": ("What the operator did (events, JSON)", "控制器的事件 (JSON)"),
}


class Words:
    """The table in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._column = list(Language).index(language)

    def __call__(self, key: str, **values: object) -> str:
        """The words; `values` replace what stands in braces."""
        return WORDS[key][self._column].format(**values) if values else WORDS[key][self._column]

    def known(self, key: str, otherwise: str) -> str:
        """The words of a key that others make up, such as a newer operator's condition."""
        return self(key) if key in WORDS else otherwise

    def under(self, prefix: str) -> dict[str, str]:
        """All words whose keys begin so, by the rest of the key."""
        return {key.removeprefix(prefix): self(key) for key in WORDS if key.startswith(prefix)}

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
